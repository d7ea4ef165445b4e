"""The runs of an experiment: trained aside, continued where they were interrupted, moved to their places.

Runs that are made together come to their places together: how many seeds train as one program shows in their last
digits.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from signal import SIGINT
from typing import NamedTuple

from ..device import set_precision
from ..errors import Diverged
from ..run import Named, Result, execute, execute_seeds, resume
from ..run.checkpoint import FOLDER
from ..run.folder import check_plain
from ..run.schema import read_facts, read_known, read_settings
from ..run.trust import CODE, asked_for, note_made_here, was_made_here
from ..task import Task
from .control import Stopped, Watch
from .experiment import Experiment
from .result import ORIGIN, check_settings, is_complete, missing, write_divergence, write_origin


class Job(NamedTuple):
    """What seeds are trained with.

    Args:
        load: gives the data of a task by its name, on the device to train on.
        data_dir: folder of the data sets; None for lfl's own cache.
        watch: stops the run between two steps.
    """

    load: Callable[[str], Task]
    data_dir: Path | None
    watch: Watch


def train_seeds(experiment: Experiment, seed: int | None, seeds: Sequence[int], job: Job) -> None:
    """Continues an interrupted run of seeds, where there is one, and trains what is missing then.

    Args:
        experiment: which.
        seed: the one seed, or None for several that train together.
        seeds: all of them.
        job: what it is done with.

    Raises:
        Stopped: the run was told to stop.
        Failure, UserError: as `lfl.run.execute`, but for divergence, which is written down as an outcome.
    """
    scratch = experiment.scratch(seed)
    _continue(experiment, seed, scratch, job)
    _train(experiment, seed, scratch, missing(experiment, seeds), job)


def check_interrupted(experiment: Experiment, seed: int | None) -> None:
    """Refuses to continue a run of other settings under those of an experiment.

    Raises:
        UserError: what was interrupted, and has a checkpoint, is of other settings; or a link is in its place.
    """
    check_plain(experiment.folder)
    scratch = experiment.scratch(seed)
    if _has_checkpoint(scratch):
        for run in scratch.glob("runs/seed-*"):
            check_settings(experiment, read_known(run / "config.json"), run)


def _train(experiment: Experiment, seed: int | None, scratch: Path, seeds: Sequence[int], job: Job) -> None:
    """Trains seeds from their start: the given one, or several together (None)."""
    if not seeds:
        return
    task, settings = job.load(experiment.settings.task), experiment.settings
    set_precision(settings.precision, task.device)

    def run() -> list[Result]:
        write_origin(scratch, len(seeds))
        if seed is None:
            return execute_seeds(task, settings, seeds, scratch / "runs", job.watch, data_dir=job.data_dir)
        own = replace(settings, seed=seed)
        return [execute(task, own, scratch / "runs" / f"seed-{seed}", job.watch, data_dir=job.data_dir)]

    if not _finish(experiment, scratch, seeds, run, job.watch):
        for each in seeds:
            _train(experiment, None, scratch, [each], job)


def _continue(experiment: Experiment, seed: int | None, scratch: Path, job: Job) -> None:
    """Continues what was interrupted, where there is a checkpoint; clears it away where there is none."""
    check_plain(experiment.folder)
    runs = sorted(scratch.glob("runs/seed-*"))
    if runs and all(is_complete(run) for run in runs):
        _finish(experiment, scratch, [], list, job.watch)
    elif not _has_checkpoint(scratch):
        shutil.rmtree(scratch / "runs", ignore_errors=True)
    else:
        check_interrupted(experiment, seed)
        task = job.load(experiment.settings.task)
        set_precision(experiment.settings.precision, task.device)

        def run() -> list[Result]:
            write_origin(scratch, len(runs))
            folder = scratch / "runs" if seed is None else runs[0]
            asked = experiment.settings  # by this very command
            code = {name: getattr(asked, name) for name in CODE}
            named = Named(**code, task=asked.task, valid=asked.valid, loss_from=asked.loss_from)
            return resume(folder, data_dir=job.data_dir, device=task.device, watch=job.watch, named=named)

        _finish(experiment, scratch, [read_settings(run).seed for run in runs], run, job.watch)


def _finish(
    experiment: Experiment, scratch: Path, seeds: Sequence[int], run: Callable[[], list[Result]], watch: Watch
) -> bool:
    """Runs seeds, and moves them to their places; False where one of several diverged, and it is not known which."""
    try:
        for result in run():
            if not result.completed:
                watch.check()  # it was told by its orders
                raise Stopped(result.signal or SIGINT)
        _move_to_place(experiment, scratch)
    except Diverged as error:
        shutil.rmtree(scratch / "runs", ignore_errors=True)
        if len(seeds) > 1:
            return False
        first = error.__cause__ if isinstance(error.__cause__, Diverged) else error  # without advice on the folder
        write_divergence(experiment, seeds[0], first)
    except BaseException:
        if not _has_checkpoint(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
        raise
    return True


def _move_to_place(experiment: Experiment, scratch: Path) -> None:
    for run in sorted(scratch.glob("runs/seed-*")):
        shutil.rmtree(run / FOLDER, ignore_errors=True)  # killed between its last file and their removal
        place = experiment.folder / run.name
        settings, facts = read_settings(run), read_facts(run)
        ours = was_made_here(run, asked_for(asdict(settings), facts.data_dir))
        shutil.rmtree(place, ignore_errors=True)  # an interrupted run of somebody's making
        shutil.copyfile(scratch / ORIGIN, run / ORIGIN)
        run.replace(place)
        if ours:
            note_made_here(place, settings, facts.data_dir)
    shutil.rmtree(scratch / "runs")


def _has_checkpoint(scratch: Path) -> bool:
    return any(scratch.glob(f"runs/**/{FOLDER}/*.safetensors"))
