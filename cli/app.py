"""The command line: its commands, and errors as one line. Slow imports are made when a command runs."""

import itertools
import os
import platform
import re
import sys
import sysconfig
import traceback
import warnings
from importlib.metadata import requires, version
from pathlib import Path
from typing import Annotated, Any

import typer

from .compare import compare
from .evaluate import evaluate
from .evolve import evolve
from .export import export
from .listing import listing
from .plot import plot
from .predict import predict
from .report import report
from .reproduce import reproduce
from .resume import resume
from .suspects import suspects
from .text import put, replace_unencodable, silence
from .train import train

MOST_LETTERS = 300
"""Most letters of an unexpected error that are printed."""

app = typer.Typer(
    name="lfl",
    help="Loss function learning: a small network learns the loss while the model trains.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("evolve")(evolve)
app.command("resume")(resume)
app.command("eval")(evaluate)
app.command("predict")(predict)
app.command("suspects")(suspects)
app.command("list")(listing)
app.command("plot")(plot)
app.command("report")(report)
app.command("compare")(compare)
app.command("reproduce")(reproduce)
app.command("export")(export)


DEBUG = "--debug"


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, envvar="LFL_DEBUG", help="Show where an error comes from, for a report of it.")
    ] = False,
) -> None:
    if show_version:
        print(f"lfl {version('lfl')}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        return
    raise typer.Exit


def main() -> None:
    """Runs a command; prints an error as one line, and exits with status 2 for the user's mistakes and 1 for others."""
    from lfl.old_names import new_flags

    replace_unencodable()
    as_usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category.__module__.startswith("lfl."):
            put(f"lfl: warning: {message}", error=True)
        else:
            as_usual(message, category, *rest, **more)

    warnings.showwarning = show
    sys.argv[1:] = new_flags(sys.argv[1:])
    try:
        status: Any = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except BrokenPipeError:
        status = 1
        silence(sys.stdout)
    except Exception as error:
        status = _status(error)
        if _wants_traceback():
            traceback.print_exception(error)
        put(f"lfl: error: {_line(error)}", error=True)
        for line in _pointer(error):
            put(line, error=True)
    _flush()
    sys.exit(status if isinstance(status, int) else 0)


def _flush() -> None:
    """Flushes the output here, where a reader that has gone is no error."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)


def _wants_traceback() -> bool:
    """Returns whether `--debug` is given before the command, or in the environment."""
    before = itertools.takewhile(lambda word: word.startswith("-"), sys.argv[1:])
    return DEBUG in before or os.environ.get("LFL_DEBUG", "").lower() in ("1", "true", "yes", "on")


def _status(error: Exception) -> int:
    """Returns the exit status of an error."""
    if hasattr(error, "exit_status"):  # lfl's own errors, without importing lfl for the others
        return int(error.exit_status)
    return 2 if hasattr(error, "format_message") else 1  # the command-line parser's, or an unexpected one


def _out_of_memory(error: Exception) -> bool:
    """Returns whether memory ran out; on the CPU torch raises a RuntimeError with these words."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    named = any(phrase in str(error).lower() for phrase in words)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and named)


def _line(error: Exception) -> str:
    """Returns an error as a line."""
    if hasattr(error, "format_message"):
        return f"{str(error.format_message()).rstrip('.')}; see lfl --help or lfl COMMAND --help"
    message = str(error)
    if _pointer(error):
        message = message.rpartition("\n")[0].rpartition("\n")[0]
    text = _safe(" ".join(message.split()))
    if hasattr(error, "exit_status"):
        return text
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in _required():
        from lfl.errors import missing_package

        return str(missing_package("this command", error))
    if _out_of_memory(error):
        return f"out of memory ({text[:120]}); lower --batch-size or choose a smaller --model"
    if isinstance(error, OSError):
        return text or type(error).__name__
    named = type(error).__name__ + (f": {text[:MOST_LETTERS]}" if text else "")
    place = _place_in_user_code(error)
    if place is not None:
        return f"code of yours raised {_safe(named)} ({_safe(place)}); correct it, or see more with lfl {DEBUG}"
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    return (
        f"unexpected {named} in lfl {_safe(command)} (lfl {version('lfl')}, Python {platform.python_version()}); "
        f"please report this line with what lfl {DEBUG} shows"
    )


def _required() -> set[str]:
    """The modules of the packages that lfl requires: one may be missing where it was installed without them."""
    from lfl.errors import DISTRIBUTIONS

    names = {re.split(r"[^\w-]", line, maxsplit=1)[0].lower() for line in requires("lfl") or []}
    return names | {module for module, distribution in DISTRIBUTIONS.items() if distribution in names}


def _safe(text: str) -> str:
    """Returns text that is safe for a terminal; before lfl is imported an error holds only what the user typed."""
    shown = sys.modules.get("lfl.text")
    return text if shown is None else str(shown.printable(text))


def _pointer(error: Exception) -> list[str]:
    """Returns the last two lines of an error if they are a text and a caret beneath the place in it; else none."""
    lines = str(error).split("\n")
    return [_safe(line) for line in lines[-2:]] if len(lines) > 2 and lines[-1].strip() == "^" else []


def _place_in_user_code(error: Exception) -> str | None:
    """Returns the innermost `FILE, line N` outside of lfl and installed packages; None where there is none."""
    installed = {Path(path).resolve() for path in sysconfig.get_paths().values()}
    installed |= {Path(__file__).parent, *map(Path, getattr(sys.modules.get("lfl"), "__path__", ()))}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not installed & set(path.resolve().parents):
            return f"{path.name}, line {frame.lineno}"
    return None
