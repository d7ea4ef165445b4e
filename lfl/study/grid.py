"""Run what is missing of a study, beside other processes that do the same."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from ..errors import Diverged, Failure, LflError
from ..run import execute, execute_seeds
from ..task import Task
from ..training import Progress, trains_together
from .cell import Cell
from .lock import claim, is_claimed
from .outcome import ORIGIN, is_whole, read_outcome, write_divergence, write_origin

PAUSE = 0.5
"""Seconds between two looks at what others work on."""


class Trouble(NamedTuple):
    """A cell that could not be run, and why."""

    cell: Cell
    error: LflError


def missing(cell: Cell, seeds: Sequence[int]) -> list[int]:
    """The seeds of a cell that have not ended.

    Raises:
        UserError: one was made with other settings.
    """
    return [seed for seed in seeds if read_outcome(cell, seed) is None]


def run_grid(
    cells: Sequence[Cell], seeds: Sequence[int], load: Callable[[str], Task], look: Callable[[], None]
) -> list[Trouble]:
    """Run each seed of each cell that has not ended, until all have.

    Any number of processes may do this in one folder: each takes what no other works on, and takes up again what a
    process that died left half-made. Seeds that train as one program are one piece of work, else each seed is one.

    Args:
        cells: whose settings are the same in all those processes.
        seeds: of each cell.
        load: a task's data by its name, on the device to train on.
        look: called after each step and while others are waited for.

    Returns:
        The cells that could not be run: data that cannot be had, a model that does not fit its task. A seed that
        diverges is no trouble but an outcome.

    Raises:
        UserError: the folder holds runs of other settings.
        KeyboardInterrupt: a run was interrupted; it will be run again.
    """
    todo = {cell.folder: cell for cell in cells if missing(cell, seeds)}
    troubles: list[Trouble] = []
    while todo:
        for folder, cell in list(todo.items()):
            try:
                if _advance(cell, seeds, load, look):
                    del todo[folder]
            except LflError as error:
                troubles.append(Trouble(cell, error))
                del todo[folder]
        if todo:
            look()
            time.sleep(PAUSE)
    return troubles


def _advance(cell: Cell, seeds: Sequence[int], load: Callable[[str], Task], look: Callable[[], None]) -> bool:
    """Run what nobody else works on; whether the whole cell has ended."""
    left = missing(cell, seeds)
    if is_claimed(cell.lock(None)) or (left and all(is_claimed(cell.lock(seed)) for seed in left)):
        return False  # before data are loaded for nothing
    task = load(cell.settings.task)
    with _told(cell):
        cell.folder.mkdir(parents=True, exist_ok=True)
        if trains_together(task, cell.settings):
            with claim(cell.lock(None)) as ours:
                if ours:
                    _settle(cell, None)
                    _run(cell, missing(cell, seeds), None, task, look)
        else:
            with claim(cell.lock(None), shared=True) as nobody_runs_several:
                for seed in left if nobody_runs_several else []:
                    with claim(cell.lock(seed)) as ours:
                        if ours:
                            _settle(cell, seed)
                            _run(cell, missing(cell, [seed]), seed, task, look)
    return not missing(cell, seeds)


def _run(cell: Cell, seeds: list[int], scratch_of: int | None, task: Task, look: Callable[[], None]) -> None:
    """Run seeds whose locks are held, aside, and put them in their places when they are whole."""
    if not seeds:
        return
    scratch = cell.scratch(scratch_of)

    def watch(progress: Progress) -> None:
        look()

    try:
        scratch.mkdir()
        write_origin(scratch, len(seeds))
        if scratch_of is None:
            results = execute_seeds(task, cell.settings, seeds, scratch / "runs", watch)
        else:
            settings = replace(cell.settings, seed=scratch_of)
            results = [execute(task, settings, scratch / "runs" / f"seed-{scratch_of}", watch)]
        if not all(result.completed for result in results):
            raise KeyboardInterrupt
        _settle(cell, scratch_of)
    except Diverged as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if len(seeds) == 1:
            write_divergence(cell, seeds[0], error)
            return
        for seed in seeds:  # which of them was it?
            _run(cell, [seed], None, task, look)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _settle(cell: Cell, scratch_of: int | None) -> None:
    """Put what was made aside in its place if all of it is whole, and clear what is half-made.

    All or nothing: how many seeds train as one program shows in their last digits.
    """
    scratch = cell.scratch(scratch_of)
    runs = sorted(scratch.glob("runs/seed-*"))
    if runs and all(is_whole(run) for run in runs):
        for run in runs:
            place = cell.folder / run.name
            shutil.rmtree(place, ignore_errors=True)  # an interrupted run of somebody's making
            shutil.copyfile(scratch / ORIGIN, run / ORIGIN)
            run.replace(place)
    if scratch.exists():
        shutil.rmtree(scratch)


@contextmanager
def _told(cell: Cell) -> Iterator[None]:
    """Put a disk's errors into words."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(
            f"cannot write into {cell.folder} ({error.strerror or error}); make room, or choose another --out."
        ) from error
