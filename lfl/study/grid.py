"""Run what is missing of a study, beside other processes that do the same."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import LflError
from ..training import trains_together
from .cell import Cell
from .lock import claim, is_claimed
from .outcome import read_outcome
from .work import Worker, check_half_made, go_on, make, told

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


def run_grid(cells: Sequence[Cell], seeds: Sequence[int], worker: Worker) -> list[Trouble]:
    """Run each seed of each cell that has not ended, until all have.

    Any number of processes may do this in one folder: each takes what no other works on, and goes on with what a
    process that died left half-made. Seeds that train as one program are one piece of work, else each seed is one.

    Args:
        cells: whose settings are the same in all those processes.
        seeds: of each cell.
        worker: who runs them.

    Returns:
        The cells that could not be run: data that cannot be had, a model that does not fit its task. A seed that
        diverges is no trouble but an outcome.

    Raises:
        UserError: the folder holds runs of other settings.
        Stopped: a run was told to stop; called again, this goes on with it.
    """
    todo = {cell.folder: cell for cell in cells if missing(cell, seeds)}
    for cell in todo.values():
        for scratch_of in (None, *seeds):
            check_half_made(cell, scratch_of)
    troubles: list[Trouble] = []
    while todo:
        for folder, cell in list(todo.items()):
            try:
                if _advance(cell, seeds, worker):
                    del todo[folder]
            except LflError as error:
                first = error.__cause__ if isinstance(error.__cause__, LflError) else error
                troubles.append(Trouble(cell, first))
                del todo[folder]
        if todo:
            worker.look()
            time.sleep(PAUSE)
    return troubles


def _advance(cell: Cell, seeds: Sequence[int], worker: Worker) -> bool:
    """Run what nobody else works on; whether the whole cell has ended."""
    left = missing(cell, seeds)
    if is_claimed(cell.lock(None)) or (left and all(is_claimed(cell.lock(seed)) for seed in left)):
        return False  # before data are loaded for nothing
    together = trains_together(worker.load(cell.settings.task), cell.settings)
    with told(cell):
        cell.folder.mkdir(parents=True, exist_ok=True)
    with claim(cell.lock(None), shared=not together) as ours:
        if ours and together:
            go_on(cell, None, worker)
            make(cell, missing(cell, seeds), None, worker)
        for seed in left if ours and not together else []:
            with claim(cell.lock(seed)) as also_ours:
                if also_ours:
                    go_on(cell, seed, worker)
                    make(cell, missing(cell, [seed]), seed, worker)
    return not missing(cell, seeds)
