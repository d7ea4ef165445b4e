"""Make the runs of a cell: aside, and in their places when they are whole.

Runs that are made together come to their places together: how many seeds train as one program shows in their last
digits.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from signal import SIGINT
from typing import NamedTuple

from ..errors import Diverged
from ..run import Named, Result, execute, execute_seeds, resume
from ..run.checkpoint import FOLDER
from ..run.folder import check_plain, explained
from ..run.schema import read_facts, read_known, read_settings
from ..run.trust import CODE, asked_for, note_made_here, was_made_here
from ..task import Task
from ..training import Progress
from .cell import Cell
from .outcome import ORIGIN, is_whole, same_settings, write_divergence, write_origin


class Worker(NamedTuple):
    """What a process works with.

    Args:
        load: a task's data by its name, on the device to train on.
        data_dir: where named tasks find their data; None for lfl's own cache.
        look: called after each step, and while others are waited for.
    """

    load: Callable[[str], Task]
    data_dir: Path | None
    look: Callable[[], None]

    def watch(self, progress: Progress) -> None:
        """Look, whatever the step is."""
        del progress
        self.look()


class Stopped(KeyboardInterrupt):
    """A run was told to stop by a signal, and can be gone on with."""

    def __init__(self, signal: int) -> None:
        super().__init__()
        self.signal = signal


def make(cell: Cell, seeds: Sequence[int], scratch_of: int | None, worker: Worker) -> None:
    """Run seeds of a cell, whose locks are held, from their start.

    Args:
        cell: which.
        seeds: the one of `scratch_of`, or several together (None).
        scratch_of: as in `Cell.scratch`.
        worker: who runs them.

    Raises:
        Stopped: by a signal.
        Failure, UserError: as `lfl.run.execute`, but for divergence, which is noted.
    """
    if not seeds:
        return
    task, scratch = worker.load(cell.settings.task), cell.scratch(scratch_of)

    def run() -> list[Result]:
        scratch.mkdir(parents=True)
        write_origin(scratch, len(seeds))
        if scratch_of is None:
            return execute_seeds(task, cell.settings, seeds, scratch / "runs", worker.watch, data_dir=worker.data_dir)
        settings, out = replace(cell.settings, seed=scratch_of), scratch / "runs" / f"seed-{scratch_of}"
        return [execute(task, settings, out, worker.watch, data_dir=worker.data_dir)]

    if not _ended(cell, scratch, seeds, run):
        for seed in seeds:
            make(cell, [seed], None, worker)


def go_on(cell: Cell, scratch_of: int | None, worker: Worker) -> None:
    """Go on with what was left half-made, where there is a checkpoint; clear it away where there is none.

    Args:
        cell, scratch_of, worker: as in `make`.

    Raises:
        Stopped, Failure, UserError: as `make`; what is there is of other settings.
    """
    scratch = cell.scratch(scratch_of)
    check_plain(cell.folder)
    runs = sorted(scratch.glob("runs/seed-*"))
    if runs and all(is_whole(run) for run in runs):
        _ended(cell, scratch, [], list)
    elif not _checkpoints(scratch):
        shutil.rmtree(scratch, ignore_errors=True)
    else:
        check_half_made(cell, scratch_of)
        task = worker.load(cell.settings.task)

        def run() -> list[Result]:
            write_origin(scratch, len(runs))
            folder = scratch / "runs" if scratch_of is None else runs[0]
            asked = cell.settings  # by this very command
            code = {name: getattr(asked, name) for name in CODE}
            named = Named(**code, task=asked.task, valid=asked.valid, loss_from=asked.loss_from)
            return resume(folder, data_dir=worker.data_dir, device=task.device, watch=worker.watch, named=named)

        _ended(cell, scratch, [read_settings(run).seed for run in runs], run)


def check_half_made(cell: Cell, scratch_of: int | None) -> None:
    """Refuse to go on, with the settings of a cell, with a run of others.

    Raises:
        UserError: what is half-made, and has a checkpoint, is of other settings.
    """
    scratch = cell.scratch(scratch_of)
    check_plain(cell.folder)
    if _checkpoints(scratch):
        for run in scratch.glob("runs/seed-*"):
            same_settings(cell, read_known(run / "config.json"), run)


def _ended(cell: Cell, scratch: Path, seeds: Sequence[int], run: Callable[[], list[Result]]) -> bool:
    """Run seeds, and put them in their places; False where one of several diverged, but it is not known which."""
    try:
        with told(cell):
            for result in run():
                if not result.completed:
                    raise Stopped(result.signal or SIGINT)
            _place(cell, scratch)
    except Diverged as error:
        shutil.rmtree(scratch)
        if len(seeds) > 1:
            return False
        first = error.__cause__ if isinstance(error.__cause__, Diverged) else error  # without advice on the folder
        write_divergence(cell, seeds[0], first)
    except BaseException:
        if not _checkpoints(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
        raise
    return True


def _place(cell: Cell, scratch: Path) -> None:
    """Move what was made aside to its place."""
    for run in sorted(scratch.glob("runs/seed-*")):
        shutil.rmtree(run / FOLDER, ignore_errors=True)  # killed between its last file and their removal
        place = cell.folder / run.name
        settings, facts = read_settings(run), read_facts(run)
        ours = was_made_here(run, asked_for(asdict(settings), facts.data_dir))
        shutil.rmtree(place, ignore_errors=True)  # an interrupted run of somebody's making
        shutil.copyfile(scratch / ORIGIN, run / ORIGIN)
        run.replace(place)
        if ours:
            note_made_here(place, settings, facts.data_dir)
    shutil.rmtree(scratch)


def _checkpoints(scratch: Path) -> bool:
    return any(scratch.glob(f"runs/**/{FOLDER}/*.safetensors"))


def told(cell: Cell) -> AbstractContextManager[None]:
    """Put a disk's errors into words."""
    return explained(f"write into {cell.folder}", "make room, or choose another --out")
