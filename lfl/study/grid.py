"""Runs a study: what is missing of each experiment goes to the engine's workers, until all of it has ended."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from signal import SIGINT
from typing import Any, NamedTuple, TypeVar

from ..errors import Failure, LflError, UserError
from ..task import is_file_task
from .control import Stopped, Supervisor, supervise
from .engine import Engine, Open, open_engine
from .experiment import Experiment, Planned
from .result import missing
from .runs import check_interrupted
from .status import Status, StatusReader
from .worker import MOST_STARTS, Done, Machine, Piece, forget_data, plan_task, run_piece, starts_of

Result = TypeVar("Result")

TICK = 0.5
"""Seconds between two readings of the status."""


class FailedExperiment(NamedTuple):
    """An experiment that could not be run, and why."""

    experiment: Experiment
    error: LflError


class Resources(NamedTuple):
    """What a study is run with.

    Args:
        engine: where.
        data_dir: folder of the data sets; None for lfl's own cache.
        own: target, kind, valid, valid_size and context of a user's own data.
        device: as asked for.
        threads: CPU threads of each worker; None for torch's choice.
    """

    engine: Engine
    data_dir: Path | None = None
    own: tuple[tuple[str, str | int | None], ...] = ()
    device: str = "auto"
    threads: int | None = None


def run_study(
    planned: Planned,
    seeds: Sequence[int],
    out: Path,
    resources: Resources,
    progress: Callable[[Status], None] | None = None,
) -> list[FailedExperiment]:
    """Runs each seed of each experiment that is not complete.

    What is complete is not run again, and an interrupted run continues from its last checkpoint. A run whose worker
    process is killed is started again, at most `MOST_STARTS` times. Seeds that train as one program are one piece of
    work, else each seed is one.

    Args:
        planned: the lines and their experiments.
        seeds: of each experiment.
        out: folder of the study, held for this process.
        resources: what it is run with.
        progress: called with the `Status` at the beginning, about twice a second (from a thread of its own), and at
            the end. What it raises stops the study.

    Returns:
        The experiments that could not be run: data that cannot be had, a model that does not fit its task. A seed
        that diverges is an outcome, not a failure.

    Raises:
        UserError: the folder holds runs of other settings, another process runs a study there, or a cluster does not
            answer.
        Stopped: by Ctrl-C or SIGTERM; every run has saved a checkpoint, and the same call continues.
    """
    experiments = list({each.folder: each for _, of_line in planned for each in of_line}.values())
    with supervise(out) as supervisor:
        reader = StatusReader(out, planned, seeds)
        if progress is not None:
            progress(reader.read())
        unfinished = [each for each in experiments if missing(each, seeds)]
        for experiment in unfinished:
            for seed in (None, *seeds):
                check_interrupted(experiment, seed)
        failed: list[FailedExperiment] = []
        if unfinished:
            with _ticking(supervisor, lambda: progress is None or progress(reader.read())):
                failed = _run(unfinished, seeds, out, resources, supervisor)
        if progress is not None:
            progress(reader.read())
        return failed


def check_paths(planned: Planned, engine: Engine) -> None:
    """Refuses relative paths of a user's own data on a cluster, whose workers have another working directory.

    Raises:
        UserError: a task, clean data or a run that a loss is from is named by a relative path.
    """
    for _, experiments in planned:
        for settings in (experiment.settings for experiment in experiments):
            task = settings.task if is_file_task(settings.task) else None
            for path in (task, settings.valid, settings.loss_from):
                if engine.kind != "loky" and path is not None and not Path(path).is_absolute():
                    raise UserError(
                        f"{path} is a relative path, and workers of a cluster have a working directory of their own; "
                        f"write {Path(path).absolute()}."
                    )


def _run(
    experiments: Sequence[Experiment], seeds: Sequence[int], out: Path, resources: Resources, supervisor: Supervisor
) -> list[FailedExperiment]:
    engine = resources.engine
    machine = Machine(
        out,
        supervisor.study,
        resources.data_dir,
        resources.own,
        resources.device,
        resources.threads,
        in_process=engine.in_process,
        spread=engine.kind == "loky" and not engine.in_process,
    )
    try:
        with open_engine(engine, out, supervisor.study) as opened:
            together = _plan(experiments, machine, opened, supervisor)
            pieces: list[Piece] = []
            for experiment in experiments:
                left, how = tuple(missing(experiment, seeds)), together[experiment.folder]
                if isinstance(how, bool):
                    pieces += [Piece(experiment, left, True)] if how else [Piece(experiment, (s,), False) for s in left]
            errors = {folder: how for folder, how in together.items() if isinstance(how, LflError)}
            for done in _run_all(pieces, machine, opened, supervisor):
                if done.error is not None:
                    errors.setdefault(done.piece.experiment.folder, done.error)
    finally:
        forget_data()
    return [FailedExperiment(each, errors[each.folder]) for each in experiments if each.folder in errors]


def _plan(
    experiments: Sequence[Experiment], machine: Machine, opened: Open, supervisor: Supervisor
) -> dict[Path, bool | LflError]:
    """Asks the workers, task by task, which experiments train their seeds as one program; some cannot be run."""
    together: dict[Path, bool | LflError] = {}
    for _ in range(MOST_STARTS):
        left = [each for each in experiments if each.folder not in together]
        by_task = [list(group) for _, group in groupby(left, lambda each: each.settings.task)]
        for found in _results(opened, plan_task, [(group, machine) for group in by_task]):
            together |= {experiment.folder: how for experiment, how in found}
        supervisor.check()
        if len(together) == len(experiments):
            return together
    raise Failure("worker processes die before they begin, perhaps for want of memory; lower --jobs.")


def _run_all(pieces: Sequence[Piece], machine: Machine, opened: Open, supervisor: Supervisor) -> Iterator[Done]:
    """Runs pieces of work until each has ended; those of lost workers again, the last time alone."""
    left = {piece.scratch: piece for piece in pieces}
    without_news = 0
    while left:
        starts = {scratch: starts_of(piece, machine.study) for scratch, piece in left.items()}
        careful = [piece for scratch, piece in left.items() if starts[scratch] >= MOST_STARTS - 1]
        now = [piece for piece in left.values() if piece not in careful] or careful[:1]
        before = len(left)
        for done in _results(opened, run_piece, [(piece, machine) for piece in now]):
            if done.stopped is None:
                del left[done.piece.scratch]
                yield done
            elif done.stopped.ordered:
                supervisor.order_stop(done.stopped.signal)
        if left:
            supervisor.check()
        news = len(left) < before or any(starts_of(left[each], machine.study) > starts[each] for each in left)
        without_news = 0 if news else without_news + 1
        if without_news == MOST_STARTS:
            raise Failure("worker processes die before they begin, perhaps for want of memory; lower --jobs.")


def _results(opened: Open, function: Callable[..., Result], calls: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
    """The results of calls, as far as no worker is lost."""
    try:
        yield from opened.submit(function, calls)
    except opened.lost:
        return


@contextmanager
def _ticking(supervisor: Supervisor, report: Callable[[], object]) -> Iterator[None]:
    """Writes the orders and reports the status now and then, while this thread waits for the workers."""
    ended, raised = threading.Event(), list[BaseException]()

    def tick() -> None:
        while not ended.wait(TICK):
            supervisor.write_where_due()
            try:
                if not raised:
                    report()
            except BaseException as error:
                raised.append(error)
                supervisor.order_stop(SIGINT)

    thread = threading.Thread(target=tick, name="lfl study", daemon=True)
    thread.start()
    try:
        yield
    except Stopped as stopped:
        raise (raised or [stopped])[0] from None
    finally:
        ended.set()
        thread.join()
