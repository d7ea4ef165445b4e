"""Shows a search for losses: a live board on a terminal, plain lines elsewhere."""

import math
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .text import cell, say

if TYPE_CHECKING:
    from rich.console import Group

    from lfl.evolution.progress import Searching
    from lfl.training import Progress

MOST_OF_FRONT = 8
"""Formulas of the front that the board shows, the best ones."""


class Board:
    """Shows a search, and then the training on what it found."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console()
        self._open = ExitStack()
        self._live: Any = None
        self._training: Any = None
        self._drawn_at = 0.0
        self._said = (-1, -1)

    def search(self, searching: "Searching") -> None:
        """Takes in how far the search is."""
        if not self.console.is_terminal:
            self._say(searching)
            return
        if self._live is None:
            from rich.live import Live

            self._live = self._open.enter_context(
                Live(console=self.console, refresh_per_second=8, vertical_overflow="crop")
            )
        now = time.monotonic()
        if now - self._drawn_at > 0.1 or searching.done == searching.total:
            self._drawn_at = now
            self._live.update(board(searching))

    def train(self, progress: "Progress") -> None:
        """Takes in a step of the training at the end."""
        if self._training is None:
            from .progress import watching

            self._training = self._open.enter_context(watching("training on the formula that was chosen"))
        self._training(progress)

    def close(self) -> None:
        """Leaves what is on the board as it is."""
        self._open.close()
        self._live = self._training = None

    def _say(self, searching: "Searching") -> None:
        """A line for each generation, for its last candidate, and for each training of the finalists' last seed."""
        finalists = searching.phase == "finalists"
        place = (searching.generation, 1 if finalists else 0)
        last = searching.done == searching.total
        if place == self._said and not last:
            return
        self._said = place
        say(line(searching))


def line(searching: "Searching") -> str:
    """How far a search is, in a line."""
    if searching.phase == "finalists":
        return f"finalists {searching.done}/{searching.total} trainings on other seeds"
    left = "" if searching.seconds_left is None else f", {searching.seconds_left:.0f} s left"
    best = f"best {searching.best_error:.4f} {searching.best}" if math.isfinite(searching.best_error) else "none yet"
    return (
        f"generation {searching.generation + 1}/{searching.generations}, {searching.done} candidates: "
        f"{searching.evaluated} evaluated, {searching.rejected} rejected, {searching.not_finite} not finite, "
        f"{searching.repeats} repeats; {best}{left}"
    )


def board(searching: "Searching") -> "Group":
    """The board: counts, the best formula, and the front."""
    from rich.console import Group
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars
    from rich.table import Table

    bars = Bars(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    name = (
        "finalists"
        if searching.phase == "finalists"
        else f"generation {searching.generation + 1}/{searching.generations}"
    )
    bars.add_task(name, total=searching.total, completed=searching.done)
    counts = Table(box=None, padding=(0, 2, 0, 0))
    left = "–" if searching.seconds_left is None else duration(searching.seconds_left)
    numbers = {
        "evaluated": searching.evaluated,
        "rejected": searching.rejected,
        "not finite": searching.not_finite,
        "repeats": searching.repeats,
        "time": duration(searching.seconds),
        "time left": left,
    }
    for words in numbers:
        counts.add_column(words, justify="right")
    counts.add_row(*(str(number) for number in numbers.values()))
    front = Table(box=None, padding=(0, 2, 0, 0))
    for words in ("size", "validation error"):
        front.add_column(words, justify="right")
    front.add_column("formula", overflow="ellipsis", no_wrap=True)
    for size, error, formula in searching.front[-MOST_OF_FRONT:]:
        front.add_row(str(size), f"{error:.4f}", cell(formula))
    return Group(bars, counts, front)


def duration(seconds: float) -> str:
    """Returns a number of seconds as hours, minutes and seconds.

    Example:
        >>> duration(3725)
        '1:02:05'
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
