"""The command line: subcommands, and errors in a line or two. Heavy imports wait until a command runs."""

import sys
import warnings
from importlib.metadata import version
from typing import Annotated, Any

import typer

from .compare import compare
from .evaluate import evaluate
from .export import export
from .listing import listing
from .plot import plot
from .predict import predict
from .report import report
from .reproduce import reproduce
from .resume import resume
from .train import train

app = typer.Typer(
    name="lfl",
    help="Loss function learning: a small network learns the loss while the model trains.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("resume")(resume)
app.command("eval")(evaluate)
app.command("predict")(predict)
app.command("list")(listing)
app.command("plot")(plot)
app.command("report")(report)
app.command("compare")(compare)
app.command("reproduce")(reproduce)
app.command("export")(export)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if show_version:
        print(f"lfl {version('lfl')}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        return
    raise typer.Exit


def main() -> None:
    """Run the command; tell errors in words, with status 2 for the user's mistakes and 1 for failures."""
    as_usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category.__module__.startswith("lfl."):
            print(f"lfl: warning: {message}", file=sys.stderr)
        else:
            as_usual(message, category, *rest, **more)

    warnings.showwarning = show
    try:
        status: Any = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except Exception as error:
        status = _status(error)
        if status is None:
            raise
        print(f"lfl: error: {_words(error)}", file=sys.stderr)
    sys.exit(status if isinstance(status, int) else 0)


def _status(error: Exception) -> int | None:
    """The exit status of an error that is told in words; None for a fault of ours."""
    if hasattr(error, "exit_status"):  # lfl's own errors, without importing lfl for the others
        return int(error.exit_status)
    if hasattr(error, "format_message"):  # the command-line parser's
        return 2
    if isinstance(error, OSError):
        return 1
    return 1 if _out_of_memory(error) else None


def _out_of_memory(error: Exception) -> bool:
    """Torch has a class for this on a GPU only; on the CPU it is a RuntimeError with these words."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    named = any(phrase in str(error).lower() for phrase in words)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and named)


def _words(error: Exception) -> str:
    if hasattr(error, "format_message"):
        return f"{str(error.format_message()).rstrip('.')}; see lfl --help or lfl COMMAND --help"
    text = " ".join(str(error).split()) or type(error).__name__
    if _out_of_memory(error):
        return f"out of memory ({text[:120]}); lower --batch-size or choose a smaller --model"
    return text
