"""What `lfl compare` and `lfl reproduce` have in common: their flags, and what they print of a study."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lfl.choices import ENGINES
from lfl.settings import SPEED

from .common import prepare
from .flags import choice
from .text import say

if TYPE_CHECKING:
    from rich.table import Table

    from lfl.study import FailedExperiment, Status

WIDE = 180
"""Columns of a table that is not printed on a terminal."""

Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", min=1, help="Processes on this machine, each with its share of the cores.", rich_help_panel=SPEED
    ),
]
EngineName = Annotated[
    str,
    choice(
        {"dask=" if name == "dask" else name: line for name, line in ENGINES.items()},
        "Where the runs are computed",
        "--engine",
        rich_help_panel=SPEED,
    ),
]


@contextmanager
def shown_study(out: Path | None) -> "Iterator[Callable[[Status], None]]":
    """Gives what a study reports its progress to; leaves with 128 and the signal where the study is interrupted."""
    from lfl.device import keep_freed_memory
    from lfl.study import Stopped

    from .study_progress import showing_study

    prepare(None, None)
    keep_freed_memory()
    try:
        with showing_study() as show:
            yield show
    except Stopped as stopped:
        say(f"interrupted; the same command with --out {stopped.folder or out} continues.", error=True)
        raise typer.Exit(128 + stopped.signal) from stopped


def report_failures(failed: "Sequence[FailedExperiment]") -> None:
    """Prints what could not be run, once for each reason, and leaves with status 1.

    Raises:
        Exception: what nobody expected, where it was raised in this process, so that its place can be shown.
    """
    from lfl.study import UnexpectedFailure

    reasons: dict[str, list[str]] = {}
    unexpected: list[BaseException] = []
    for each in failed:
        if isinstance(each.error, UnexpectedFailure) and each.error.__cause__ is not None:
            unexpected.append(each.error.__cause__)
        else:
            reasons.setdefault(" ".join(str(each.error).split()), []).append(each.experiment.row)
    for reason, rows in reasons.items():
        say(f"lfl: error: {', '.join(dict.fromkeys(rows))}: {reason}", error=True)
    for error in unexpected:
        raise error
    if reasons:
        raise typer.Exit(1)


def print_table(table: "Table") -> None:
    """Prints a table; off a terminal as wide as it needs to be."""
    from rich.console import Console

    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table)


def split(text: str, flag: str) -> list[str]:
    """Returns the parts of a list with commas."""
    from lfl.errors import UserError

    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UserError(f"{flag} takes names with commas between them, got {text!r}.")
    return parts
