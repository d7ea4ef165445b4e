"""What `lfl compare` and `lfl reproduce` have in common: a study run by one or several processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import prepare
from .text import say

if TYPE_CHECKING:
    from rich.table import Table

    from lfl.study import Cell, Line, Trouble
    from lfl.task import Defaults, Task

PATIENCE = 30.0
"""Seconds that a helper is given to stop."""

WIDE = 180
"""Columns of a table that is not printed on a terminal."""

Jobs = Annotated[
    int, typer.Option("--jobs", min=1, help="Processes that work side by side, on their share of the cores.")
]
HelperOf = Annotated[int | None, typer.Option("--helper-of", hidden=True)]


def plan(
    lines: "Sequence[Line]", out: Path, common: dict[str, Any], defaults_of: "Callable[[str], Defaults]"
) -> "list[tuple[Line, list[Cell]]]":
    """The lines of a study with the cells of their candidates."""
    from lfl.study import make_cell

    return [
        (
            line,
            [make_cell(out, line.task, line.model, each, defaults_of(line.task), common) for each in line.candidates],
        )
        for line in lines
    ]


def run_study(
    planned: "list[tuple[Line, list[Cell]]]",
    seeds: Sequence[int],
    load: "Callable[[str], Task]",
    *,
    out: Path,
    jobs: int,
    threads: int | None,
    data_dir: Path | None,
    helper_of: int | None,
) -> "list[Trouble]":
    """Run what is missing, and show how far it is; a helper works silently, for as long as its parent lives."""
    from lfl.device import keep_freed_memory
    from lfl.run.folder import make_folder
    from lfl.study import Stopped, Worker, run_grid

    from .board import watching_study

    keep_freed_memory()
    make_folder(out)
    cells = [cell for _, each in planned for cell in each]
    if helper_of is not None:
        return run_grid(cells, seeds, Worker(load, data_dir, lambda: _stop_without(helper_of)))
    try:
        with watching_study(planned, seeds) as look, _helpers(jobs - 1, threads, out):
            return run_grid(cells, seeds, Worker(load, data_dir, look))
    except KeyboardInterrupt as error:
        say(f"interrupted; the same command with --out {out} goes on.", error=True)
        stopped_by = error.signal if isinstance(error, Stopped) else signal.SIGINT
        raise typer.Exit(128 + stopped_by) from error


def loader(device: str | None, threads: int | None, data_dir: Path | None, **own: Any) -> "Callable[[str], Task]":
    """Set the number of threads, and give what loads a task's data; the last task's are kept."""
    where = prepare(device, threads)

    @lru_cache(maxsize=1)
    def load(name: str) -> "Task":
        from lfl.run import data_folder
        from lfl.task import load_task

        return load_task(name, data_folder(name, data_dir), **own).to(where)

    return load


def share_of_threads(threads: int | None, jobs: int) -> int | None:
    """Threads of each process: as asked for, or its share of the cores."""
    if threads is not None or jobs == 1:
        return threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def tell_troubles(troubles: "Sequence[Trouble]") -> None:
    """Say what could not be run, once for each reason, and leave with status 1."""
    reasons: dict[str, list[str]] = {}
    for trouble in troubles:
        reasons.setdefault(" ".join(str(trouble.error).split()), []).append(trouble.cell.row)
    for reason, rows in reasons.items():
        say(f"lfl: error: {', '.join(dict.fromkeys(rows))}: {reason}", error=True)
    if reasons:
        raise typer.Exit(1)


def print_table(table: "Table") -> None:
    """Print a table; off a terminal as wide as it needs to be."""
    from rich.console import Console

    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table)


def split(text: str, flag: str) -> list[str]:
    """The parts of a list with commas."""
    from lfl.errors import UserError

    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UserError(f"{flag} wants names with commas between them, but {text!r} came.")
    return parts


@contextmanager
def _helpers(count: int, threads: int | None, out: Path) -> Iterator[None]:
    """Processes of the same command that help, each in a session of its own: Ctrl-C is the parent's to pass on."""
    own = ["--jobs", "1", "--threads", str(threads), "--out", str(out), "--helper-of", str(os.getpid())]
    command = [sys.executable, "-P", "-c", "from lfl_cli.app import main; main()", *sys.argv[1:], *own]
    quiet = subprocess.DEVNULL
    processes = [
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True) for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _stop_without(parent: int) -> None:
    if os.getppid() != parent:
        raise KeyboardInterrupt
