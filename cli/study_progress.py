"""Shows how far a study is while it runs: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lfl.report.statistics import spread_words
from lfl.study import Experiment, Line, LineStatus, Outcome, Running, Status

from . import text
from .text import say

PROGRESS_EVERY = 30.0
"""Seconds between two plain lines about a run that trains."""

OTHER_LINES = 6
"""Lines of the terminal that the table cannot have."""


@contextmanager
def showing_study() -> Iterator[Callable[[Status], None]]:
    """Gives a function to call with the status of a study now and then, which shows it."""
    console = Console()
    with ExitStack() as stack:
        yield (_LiveTable(console, stack) if console.is_terminal else _PlainLines()).show


class _PlainLines:
    """A line for each run that has ended, and now and then one for each that trains."""

    def __init__(self) -> None:
        self.said: set[object] | None = None
        self.progressed = time.monotonic()

    def show(self, status: Status) -> None:
        ended = {
            (experiment.folder, outcome.seed): (line.line, experiment, outcome)
            for line in status.lines
            for experiment, outcome in line.ended
        }
        if self.said is None:
            self.said = set(ended)
            say(_beginning(status))
        for key, (line, experiment, outcome) in ended.items():
            if key not in self.said:
                self.said.add(key)
                say(f"{_name(line, experiment)} seed {outcome.seed}: {_outcome_words(outcome)}")
        if time.monotonic() - self.progressed >= PROGRESS_EVERY:
            self.progressed = time.monotonic()
            for each in status.lines:
                for experiment, run in each.now:
                    say(f"{_name(each.line, experiment)} {_running_words(run)}")


class _LiveTable:
    """A table that is drawn anew: how many runs of each line have ended, and what trains."""

    def __init__(self, console: Console, stack: ExitStack) -> None:
        self.console = console
        self.stack = stack
        self.start = time.monotonic()
        self.live: Live | None = None

    def show(self, status: Status) -> None:
        table = self.table(status)
        if self.live is None:
            say(_beginning(status))
            self.live = self.stack.enter_context(Live(table, console=self.console, auto_refresh=False))
        self.live.update(table, refresh=True)

    def table(self, status: Status) -> Table:
        """The study as a table; only the lines that train where the terminal is too low for all of them."""
        took = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - self.start))
        table = Table(box=None, padding=(0, 2, 0, 0), caption=f"{status.ended} of {status.runs} runs, {took}")
        for name in ("", "", "runs", "test error", "now"):
            table.add_column(name)
        lines = status.lines
        if len(lines) > self.console.height - OTHER_LINES:
            lines = [line for line in lines if line.now]
        last = ""
        for line in lines:
            place = f"{line.line.task}/{line.line.model}"
            table.add_row(*map(text.cell, [place if place != last else "", line.line.label, *_cells(line)]))
            last = place
        return table


def _cells(line: LineStatus) -> list[str]:
    error = "" if line.summary is None else spread_words(line.summary.error)
    return [f"{len(line.ended)}/{line.runs}", error, "; ".join(_running_words(run) for _, run in line.now)]


def _beginning(status: Status) -> str:
    there = f", {status.ended} of them complete already" if status.ended else ""
    return f"{status.runs} runs{there}"


def _name(line: Line, experiment: Experiment) -> str:
    rate = "" if len(line.candidates) == 1 else f" at rate {experiment.settings.inner_lr:g}"
    return f"{experiment.row} {line.label}{rate}"


def _running_words(run: Running) -> str:
    if run.phase is None:
        return f"{run.seeds}: starts"
    error = "" if run.valid_error is None else f", validation error {run.valid_error:.4g}"
    return f"{run.seeds}: {run.phase} {run.step}/{run.total}{error}"


def _outcome_words(outcome: Outcome) -> str:
    if outcome.diverged is not None:
        return f"diverged: {outcome.diverged}"
    return f"{outcome.test_error:.4f} (validation {outcome.valid_error:.4f}) in {outcome.seconds:.1f} s"
