"""What one sees while a run trains: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lfl.training import Progress as Step

from .text import say

LINES_PER_PHASE = 10

COLUMNS = {
    "inner_loss": "training loss",
    "outer_loss": "task loss",
    "valid_error": "validation error",
}


@contextmanager
def watching(title: str) -> Iterator[Callable[[Step], None]]:
    """Give a function to call with each step of a run."""
    console = Console()
    say(title)
    if not console.is_terminal:
        yield _Plain().look
        return
    view = _View()
    with Live(view.render(), console=console, refresh_per_second=8) as live:

        def look(step: Step) -> None:
            if view.look(step):
                live.update(view.render())

        yield look


class _Plain:
    """A line now and then: ten for each phase."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}
        self.rate = _Rate()

    def look(self, step: Step) -> None:
        total = step.phase.num_steps
        self.rate.look(step)
        if step.metrics is None:
            return
        self.numbers.update(_means(step.metrics))
        every = max(1, total // LINES_PER_PHASE)
        if step.step % every and step.step != total:
            return
        shown = ", ".join(
            f"{words} {self.numbers[name]:.4g}" for name, words in COLUMNS.items() if name in self.numbers
        )
        left = self.rate.seconds_left(step)
        pace = f"{self.rate.per_second(step):.1f} steps/s, {left:.0f} s left"
        say(f"{step.phase.name} {step.step}/{total}: {shown}, {pace}")


def _means(metrics: list[dict[str, float]]) -> dict[str, float]:
    """The mean over the seeds that train together."""
    return {name: fmean(numbers[name] for numbers in metrics) for name in metrics[0]}


class _Rate:
    """Steps a second since the phase began, or was gone on with."""

    def __init__(self) -> None:
        self.phase = ""
        self.first = 0
        self.start = time.perf_counter()

    def look(self, step: Step) -> None:
        if step.phase.name != self.phase or step.step < self.first:
            self.phase, self.first, self.start = step.phase.name, step.step, time.perf_counter()

    def per_second(self, step: Step) -> float:
        return (step.step - self.first) / max(time.perf_counter() - self.start, 1e-9)

    def seconds_left(self, step: Step) -> float:
        return (step.phase.num_steps - step.step) / max(self.per_second(step), 1e-9)


class _View:
    """A bar a phase, and the latest numbers."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}
        self.shown = 0.0
        self.rate = _Rate()
        self.bars = Progress(
            TextColumn("{task.description:<6}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} steps/s"),
            TimeRemainingColumn(),
        )
        self.bar_of: dict[str, Any] = {}

    def look(self, step: Step) -> bool:
        """Take a step in; whether it is time to draw again."""
        self.rate.look(step)
        name = step.phase.name
        if name not in self.bar_of:
            self.bar_of[name] = self.bars.add_task(name, total=step.phase.num_steps, rate=0.0)
        if step.metrics is not None:
            self.numbers.update(_means(step.metrics))
        now = time.perf_counter()
        if now - self.shown < 0.1 and step.step < step.phase.num_steps:
            return False
        self.shown = now
        self.bars.update(self.bar_of[name], completed=step.step, rate=self.rate.per_second(step))
        return True

    def render(self) -> Group:
        table = Table(show_header=True, box=None, padding=(0, 2, 0, 0))
        for words in COLUMNS.values():
            table.add_column(words, justify="right")
        table.add_row(*(f"{self.numbers[name]:.4g}" if name in self.numbers else "–" for name in COLUMNS))
        return Group(self.bars, table)
