"""Shows the progress of a run: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import fmean
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from .text import say

LINES_PER_PHASE = 10

COLUMNS = {
    "inner_loss": "training loss",
    "outer_loss": "task loss",
    "valid_error": "validation error",
}


class Shown(Protocol):
    """What is shown of a `Progress`, or of that of a few-shot run."""

    @property
    def phase(self) -> Any: ...

    @property
    def step(self) -> int: ...

    @property
    def metrics(self) -> list[dict[str, float]] | None: ...


@contextmanager
def watching(title: str, columns: Mapping[str, str] = COLUMNS) -> Iterator[Callable[[Shown], None]]:
    """Prints a title, and yields a function to call with each step's `Progress`.

    Args:
        title: the first line.
        columns: the metrics that are shown, with their words.
    """
    console = Console()
    say(title)
    if not console.is_terminal:
        yield _PlainLines(columns).update
        return
    view = _LiveTable(columns)
    with Live(view.render(), console=console, refresh_per_second=8) as live:

        def update(progress: Shown) -> None:
            if view.update(progress):
                live.update(view.render())

        yield update


class _PlainLines:
    """Prints ten lines for each phase."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns
        self.numbers: dict[str, float] = {}
        self.rate = _Rate()

    def update(self, progress: Shown) -> None:
        total = progress.phase.num_steps
        self.rate.update(progress)
        if progress.metrics is None:
            return
        self.numbers.update(_means(progress.metrics))
        every = max(1, total // LINES_PER_PHASE)
        if progress.step % every and progress.step != total:
            return
        numbers = ", ".join(
            f"{words} {self.numbers[name]:.4g}" for name, words in self.columns.items() if name in self.numbers
        )
        left = self.rate.seconds_left(progress)
        pace = f"{self.rate.per_second(progress):.1f} steps/s, {left:.0f} s left"
        say(f"{progress.phase.name} {progress.step}/{total}: {numbers}, {pace}")


def _means(metrics: list[dict[str, float]]) -> dict[str, float]:
    """Returns the means over the seeds that train together."""
    return {name: fmean(numbers[name] for numbers in metrics) for name in metrics[0]}


class _Rate:
    """Steps a second since the phase began or was resumed."""

    def __init__(self) -> None:
        self.phase = ""
        self.first = 0
        self.start = time.perf_counter()

    def update(self, progress: Shown) -> None:
        if progress.phase.name != self.phase or progress.step < self.first:
            self.phase, self.first, self.start = progress.phase.name, progress.step, time.perf_counter()

    def per_second(self, progress: Shown) -> float:
        return float(progress.step - self.first) / max(time.perf_counter() - self.start, 1e-9)

    def seconds_left(self, progress: Shown) -> float:
        return float(progress.phase.num_steps - progress.step) / max(self.per_second(progress), 1e-9)


class _LiveTable:
    """A bar for each phase, and the latest metrics."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns
        self.numbers: dict[str, float] = {}
        self.drawn_at = 0.0
        self.rate = _Rate()
        self.bars = Bars(
            TextColumn("{task.description:<6}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} steps/s"),
            TimeRemainingColumn(),
        )
        self.bar_of: dict[str, Any] = {}

    def update(self, progress: Shown) -> bool:
        """Takes in a step; returns whether it is time to draw again."""
        self.rate.update(progress)
        name = progress.phase.name
        if name not in self.bar_of:
            self.bar_of[name] = self.bars.add_task(name, total=progress.phase.num_steps, rate=0.0)
        if progress.metrics is not None:
            self.numbers.update(_means(progress.metrics))
        now = time.perf_counter()
        if now - self.drawn_at < 0.1 and progress.step < progress.phase.num_steps:
            return False
        self.drawn_at = now
        self.bars.update(self.bar_of[name], completed=progress.step, rate=self.rate.per_second(progress))
        return True

    def render(self) -> Group:
        table = Table(show_header=True, box=None, padding=(0, 2, 0, 0))
        for words in self.columns.values():
            table.add_column(words, justify="right")
        table.add_row(*(f"{self.numbers[name]:.4g}" if name in self.numbers else "–" for name in self.columns))
        return Group(self.bars, table)
