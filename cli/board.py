"""What one sees while a study runs: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lfl.report.statistics import spread_words
from lfl.study import Cell, Line, Outcome, read_outcome, running, summarise

from . import text
from .text import say

Planned = list[tuple[Line, list[Cell]]]
"""The lines of a study with the cells of their candidates."""

LIVE_EVERY, PLAIN_EVERY, PROGRESS_EVERY = 0.5, 1.0, 30.0
"""Seconds between two looks at the folder, and between two plain lines about a run that goes on."""

ROOM = 6
"""Lines of the terminal that are not the table's own."""


@contextmanager
def watching_study(planned: Planned, seeds: Sequence[int]) -> Iterator[Callable[[], None]]:
    """Give a function to call now and then, which shows how far the study is."""
    console = Console()
    board = _Board(planned, seeds)
    say(board.beginning())
    if not console.is_terminal:
        yield board.print_news
        board.print_news(force=True)
        return
    with Live(board.table(console.height), console=console, auto_refresh=False) as live:

        def look() -> None:
            if board.is_time(LIVE_EVERY):
                board.read()
                live.update(board.table(console.height), refresh=True)

        yield look
        board.read()
        live.update(board.table(console.height), refresh=True)


class _Board:
    """How far each cell is, as its folder says, whoever works on it."""

    def __init__(self, planned: Planned, seeds: Sequence[int]) -> None:
        self.planned, self.seeds = planned, seeds
        self.name_of = {
            (cell.folder, seed): (cell, f"{cell.row} {_name(line, cell)} seed {seed}")
            for line, cells in planned
            for cell in cells
            for seed in seeds
        }
        self.ended: dict[object, Outcome] = {}
        self.looked = self.progressed = self.start = time.monotonic()
        self.there = len(self.read())

    def is_time(self, every: float) -> bool:
        """Whether so many seconds have passed since it last was."""
        now = time.monotonic()
        if now - self.looked < every:
            return False
        self.looked = now
        return True

    def read(self) -> list[str]:
        """Take in what has ended, and say it."""
        news = []
        for key, (cell, name) in self.name_of.items():
            if key in self.ended:
                continue
            outcome = read_outcome(cell, key[1])
            if outcome is not None:
                self.ended[key] = outcome
                news.append(f"{name}: {_words(outcome)}")
        return news

    def beginning(self) -> str:
        """What is to be done."""
        there = f", {self.there} of them there already" if self.there else ""
        return f"{len(self.name_of)} runs{there}"

    def print_news(self, force: bool = False) -> None:
        """Plain lines: what has ended, and now and then what goes on."""
        if not (force or self.is_time(PLAIN_EVERY)):
            return
        for news in self.read():
            say(news)
        if time.monotonic() - self.progressed >= PROGRESS_EVERY:
            self.progressed = time.monotonic()
            for line, cells in self.planned:
                for cell in cells:
                    for words in self.now(cell):
                        say(f"{cell.row} {_name(line, cell)} {words}")

    def now(self, cell: Cell) -> list[str]:
        """What goes on in a cell."""
        if all((cell.folder, seed) in self.ended for seed in self.seeds):
            return []
        shown = []
        for run in running(cell, self.seeds):
            error = "" if run.valid_error is None else f", validation error {run.valid_error:.4g}"
            shown.append(
                f"{run.seeds}: {run.phase or 'starts'} {run.step}/{run.total}{error}" if run.phase else run.seeds
            )
        return shown

    def table(self, height: int) -> Table:
        """The study as a table; only what goes on where the terminal is too low for all of it."""
        took = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - self.start))
        table = Table(box=None, padding=(0, 2, 0, 0), caption=f"{len(self.ended)} of {len(self.name_of)} runs, {took}")
        for name in ("", "", "runs", "test error", "now"):
            table.add_column(name)
        rows = []
        for line, cells in self.planned:
            done = sum((cell.folder, seed) in self.ended for cell in cells for seed in self.seeds)
            now = "; ".join(words for cell in cells for words in self.now(cell))
            whole = summarise(line, cells, self.seeds) if done == len(cells) * len(self.seeds) else None
            error = "" if whole is None else spread_words(whole.error)
            rows.append((line, f"{done}/{len(cells) * len(self.seeds)}", error, now))
        shown = rows if len(rows) <= height - ROOM else [row for row in rows if row[3]]
        last = ""
        for line, *cells_shown in shown:
            place = f"{line.task}/{line.model}"
            table.add_row(*map(text.cell, [place if place != last else "", line.label, *cells_shown]))
            last = place
        return table


def _name(line: Line, cell: Cell) -> str:
    return line.label if len(line.candidates) == 1 else f"{line.label} at rate {cell.settings.inner_lr:g}"


def _words(outcome: Outcome) -> str:
    if outcome.diverged is not None:
        return f"diverged: {outcome.diverged}"
    return f"{outcome.test_error:.4f} (validation {outcome.valid_error:.4f}) in {outcome.seconds:.1f} s"
