"""Runs training end to end: records it, saves checkpoints, continues from one, and stops on a signal."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..boundary import HEADER, MEBIBYTE, num_bytes
from ..errors import RankStopped, UserError
from ..method import Plan, Programs, plan
from ..step import Ranks
from ..task import Task
from ..training import Position, Progress, Settings, build_functional, build_problem, learned, train
from ..trees import named
from .checkpoint import Checkpoint, read_checkpoint, remove_checkpoints, write_checkpoint
from .evaluation import Best, Evaluator, Snapshot, best_of, better, snapshot
from .folder import check_plain
from .history import MOST_KEPT, History
from .learned import Made, load_phi
from .logger import Logger, log_picture, start_loggers
from .loggers import loggers_of
from .record import Record, Result
from .schema import Ended, Left, StepErrors
from .shared import locate
from .signals import Stop, call_watch, stop_on_signals
from .together import agreed, begin, check

Watch = Callable[[Progress], None]
Say = Callable[[str], None]
Draw = Callable[[Path], Path | None]


def silent(message: str) -> None:
    """Ignores a message."""


class Session(NamedTuple):
    """A task, its settings and the plan of its steps, ready to train.

    Args:
        task, settings, plan: of the run.
        seeds: seeds that train together; None for the settings' own seed alone.
        watch: called with each `Progress`.
        loggers: take the metrics, beside those that the settings name; of one seed alone.
        draw: draws what a run folder has learned, for loggers; returns the picture's path, None where there is none.
        ranks: the processes that train together, of which the first one writes the folder; None for one.
    """

    task: Task
    settings: Settings
    plan: Plan
    seeds: Sequence[int] | None
    watch: Watch | None
    loggers: Sequence[Logger] = ()
    draw: Draw | None = None
    ranks: Ranks | None = None


def build_session(
    task: Task,
    settings: Settings,
    steps: Programs,
    seeds: Sequence[int] | None,
    watch: Watch | None,
    ranks: Ranks | None = None,
) -> Session:
    """Builds the session of a run on programs that were built for it."""
    given = None
    if settings.loss_from is not None:
        like = learned(task, settings, settings.seed).phi_0 or {}
        given = load_phi(locate(settings.loss_from), Made(settings.loss, settings.base), task.kind, like)
    problem = build_problem(task, settings, seeds=seeds, steps=steps, phi=given)
    return Session(task, settings, plan(settings.method, problem), seeds, watch, ranks=ranks)


def run_session(session: Session, root: Path, folders: list[Path], say: Say = silent) -> list[Result]:
    """Trains to the end or until a signal, from the last checkpoint on where there is one.

    Args:
        session: the task, its settings and its plan.
        root: the folder of the checkpoints.
        folders: the run folder of each seed: `root` itself, or folders in it where seeds train together.
        say: called with a line about each checkpoint that is damaged.

    Returns:
        A `Result` for each folder.

    Raises:
        UserError: the checkpoint is of another run, or a link lies in the folder.
        Failure: training diverged.
    """
    check_plain(root)
    checkpoint, damaged = read_checkpoint(root, _largest_checkpoint(session, len(folders)))
    for path in damaged:
        say(f"{path} is damaged and not used.")
    task, settings = session.task, session.settings
    _, apply_fn = build_functional(task, settings)
    what = learned(task, settings, settings.seed)
    evaluator = Evaluator(task, settings, apply_fn, what, None if session.seeds is None else len(session.seeds))
    start = None if checkpoint is None else _position(session, checkpoint, len(folders))
    so_far = [_so_far(session, checkpoint, evaluator, i) for i in range(len(folders))]  # before any file is cut
    done = 0 if checkpoint is None else checkpoint.left.done
    with ExitStack() as stack:
        records: list[Record] = []
        for seed, folder, continued in zip(session.seeds or [settings.seed], folders, so_far, strict=True):
            wanted = [*loggers_of(settings.log, folder), *session.loggers]
            loggers = start_loggers(wanted, asdict(replace(settings, seed=seed)), done)
            records.append(Record(folder, what.learned_loss, **continued, loggers=loggers))
            stack.callback(records[-1].close)
        stop = stack.enter_context(stop_on_signals())
        begin(session.ranks, session.plan, start, root)
        steps = train(
            session.plan,
            measure=evaluator.metrics,
            log_every=settings.log_every,
            eval_every=settings.eval_every,
            start=start,
        )
        try:
            for i, progress in enumerate(steps):
                if i or start is None:  # the step of the checkpoint is recorded already
                    _record(session, records, evaluator, progress)
                call_watch(session.watch, progress, stop)
                check(session.ranks, progress)
                ending = agreed(session.ranks, stop)
                if _saves(session, progress, ending):
                    _save(session, root, records, progress)
                if ending.signal is not None:
                    break
        except RankStopped:  # within a step: the one before it is whole
            if progress.step > 0:
                _save(session, root, records, progress)
            raise
        return _finish(session, root, records, evaluator, progress, ending)


def _so_far(session: Session, checkpoint: Checkpoint | None, evaluator: Evaluator, i: int) -> dict[str, Any]:
    """Returns what the record of the i-th run continues from; nothing without a checkpoint."""
    if checkpoint is None:
        return {}
    history, best = _history(session, checkpoint, i), _best(session, checkpoint, evaluator, i)
    return {"history": history, "best": best, "left_at": checkpoint.left.records[i]}


def _record(session: Session, records: list[Record], evaluator: Evaluator, progress: Progress) -> None:
    if progress.metrics is not None or History.due(progress):
        metrics: Sequence[Any] = progress.metrics or [None] * len(records)
        for record, phi, numbers in zip(records, evaluator.per_seed(progress.state.phi), metrics, strict=True):
            record.write_step(progress, _done(session, progress), phi, numbers)
    if progress.metrics is not None and "valid_error" in progress.metrics[0]:
        for record, alone, numbers in zip(records, evaluator.states(progress.state), progress.metrics, strict=True):
            record.best = better(record.best, progress.step, evaluator.score(numbers), alone)


def _saves(session: Session, progress: Progress, stop: Stop) -> bool:
    """Returns whether a checkpoint is due: every so many steps, and where the run stops."""
    every, stride, step = session.settings.checkpoint_every, progress.phase.stride, progress.step
    return step > 0 and (stop.signal is not None or (every > 0 and step // every > (step - stride) // every))


def _finish(
    session: Session, root: Path, records: list[Record], evaluator: Evaluator, progress: Progress, stop: Stop
) -> list[Result]:
    completed = progress.phase is session.plan.phases[-1] and progress.step == progress.phase.num_steps
    where: dict[str, Any] = {
        "kind": session.task.kind,
        "phase": progress.phase.name,
        "step": progress.step,
        "completed": completed,
    }
    results = []
    for record, alone in zip(records, evaluator.states(progress.state), strict=True):
        last = _measure(session, evaluator, progress.step, snapshot(alone))
        best = None
        if record.best is not None:
            at_the_end = record.best.step == progress.step
            best = last if at_the_end else _measure(session, evaluator, record.best.step, record.best.model)
        kept = best if best is not None and session.settings.keep == "best" else last
        ended = Ended(
            **where,
            valid_error=kept.errors.valid_error,
            test_error=kept.errors.test_error,
            valid=kept.valid,
            test=kept.test,
            last=last.errors,
            best=None if best is None else best.errors,
        )
        results.append(record.finish(kept.model, ended, stop.signal))
        if session.draw is not None:
            draw = partial(session.draw, record.folder)
            log_picture(record.loggers, "learned loss", draw, _done(session, progress))
    if completed:
        remove_checkpoints(root)
    return results


class _Measured(NamedTuple):
    """A model of one seed with its errors and metrics."""

    model: Snapshot
    errors: StepErrors
    valid: dict[str, float]
    test: dict[str, float]


def _measure(session: Session, evaluator: Evaluator, step: int, model: Snapshot) -> _Measured:
    (valid_error, valid), (test_error, test) = (
        evaluator.final_metrics(model, split) for split in (session.task.valid, session.task.test)
    )
    return _Measured(model, StepErrors(step, valid_error, test_error), valid, test)


def _save(session: Session, root: Path, records: list[Record], progress: Progress) -> None:
    tensors = {f"state{name}": t for name, t in named(progress.state).items()}
    for i, record in enumerate(records):
        tensors |= {f"history {i} {name}": t for name, t in record.history.tensors().items()}
        if record.best is not None:
            tensors |= {f"best {i} {name}": t for name, t in record.best.tensors().items()}
    places = [record.place() for record in records]
    done = _done(session, progress)
    write_checkpoint(root, done, tensors, Left(progress.phase.name, progress.step, done, places))


def _done(session: Session, progress: Progress) -> int:
    """Returns the number of steps of all phases that are done."""
    before = session.plan.phases[: session.plan.phases.index(progress.phase)]
    return sum(phase.num_steps for phase in before) + progress.step


def _position(session: Session, checkpoint: Checkpoint, num_runs: int) -> Position:
    """Returns the position in training of a checkpoint, which must be of this very run."""
    left, state = checkpoint.left, checkpoint.state(session.plan.state, "model or loss")
    lengths = {phase.name: (phase.num_steps, phase.stride) for phase in session.plan.phases}
    most, stride = lengths.get(left.phase, (-1, 1))
    if left.step > most or left.step % stride or len(left.records) != num_runs:
        raise UserError(f"{checkpoint.path} is of other steps or seeds than config.json; it cannot be resumed.")
    return Position(left.phase, left.step, state)


def _history(session: Session, checkpoint: Checkpoint, i: int) -> History:
    """Returns the history of the i-th run up to a checkpoint."""
    history = History.of(checkpoint.part(f"history {i} "), str(checkpoint.path))
    like = session.plan.state.phi or {}
    shapes = {name: t.shape[session.seeds is not None :] for name, t in like.items()}
    if any({name: t.shape for name, t in phi.items()} != shapes for phi in history.phis):
        raise UserError(f"{checkpoint.path} is of another loss than config.json; it cannot be resumed.")
    return history


def _best(session: Session, checkpoint: Checkpoint, evaluator: Evaluator, i: int) -> Best | None:
    """Returns the best step of the i-th run up to a checkpoint."""
    like = snapshot(evaluator.states(session.plan.state)[i])
    return best_of(checkpoint.part(f"best {i} "), like, str(checkpoint.path))


def _largest_checkpoint(session: Session, num_runs: int) -> int:
    """Returns the size in bytes of the largest checkpoint that such a session writes."""
    state, phi = (num_bytes(named(tree)) for tree in (session.plan.state, session.plan.state.phi))
    return 2 * state + (phi + MEBIBYTE) * num_runs * MOST_KEPT + HEADER
