"""A plan is run: watched, recorded, saved now and then, and stopped when told to."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT
from typing import Any, NamedTuple

from ..boundary import HEADER, MEBIBYTE, num_bytes
from ..errors import UserError
from ..method import Plan, Programs, plan
from ..task import Task
from ..training import Position, Progress, Settings, build_functional, build_problem, learned, train
from ..trees import named, refill
from .best import Best, Snapshot, best_of, better, snapshot
from .board import Board
from .checkpoint import Checkpoint, read_checkpoint, remove_checkpoints, write_checkpoint
from .folder import check_plain
from .history import MOST_LOOKS, History
from .learned import Made, load_phi
from .looks import Looks
from .record import Record, Result
from .schema import Ended, Left, Look
from .signals import Stop, stop_on_signals

Watch = Callable[[Progress], None]
Say = Callable[[str], None]


def silent(message: str) -> None:
    """Say nothing."""


class Session(NamedTuple):
    """What runs.

    Args:
        task, settings, plan: of the run.
        seeds: that train together; None for the settings' own alone.
        watch: called with each `Progress`.
    """

    task: Task
    settings: Settings
    plan: Plan
    seeds: Sequence[int] | None
    watch: Watch | None


def build_session(
    task: Task, settings: Settings, steps: Programs, seeds: Sequence[int] | None, watch: Watch | None
) -> Session:
    """The session of a run, on programs that were built for it."""
    given = None
    if settings.loss_from is not None:
        like = learned(task, settings, settings.seed).phi_0 or {}
        given = load_phi(Path(settings.loss_from), Made(settings.loss, settings.base), task.kind, like)
    problem = build_problem(task, settings, seeds=seeds, steps=steps, phi=given)
    return Session(task, settings, plan(settings.method, problem), seeds, watch)


def run_session(session: Session, root: Path, folders: list[Path], say: Say = silent) -> list[Result]:
    """Train to the end, or until told to stop; from the last checkpoint on where there is one.

    Args:
        session: what runs.
        root: where checkpoints lie.
        folders: the run folder of each seed: `root` itself, or folders in it where seeds train together.
        say: called with what is worth knowing about the checkpoints.

    Returns:
        A `Result` for each folder.

    Raises:
        UserError: the checkpoint is of another run, or a link lies in the folder.
        Failure: training diverged.
    """
    check_plain(root)
    checkpoint, damaged = read_checkpoint(root, _most(session, len(folders)))
    for path in damaged:
        say(f"{path} is damaged and not used.")
    task, settings = session.task, session.settings
    _, apply_fn = build_functional(task, settings)
    what = learned(task, settings, settings.seed)
    looks = Looks(task, settings, apply_fn, what, None if session.seeds is None else len(session.seeds))
    start = None if checkpoint is None else _position(session, checkpoint, len(folders))
    records: list[Record] = []
    histories = [None if checkpoint is None else _history(session, checkpoint, i) for i in range(len(folders))]
    for i, folder in enumerate(folders):
        left_at = None if checkpoint is None else checkpoint.left.records[i]
        done = 0 if checkpoint is None else checkpoint.left.done
        board = Board(folder, done) if settings.log == "tensorboard" else None
        best = None if checkpoint is None else _best(session, checkpoint, looks, i)
        records.append(Record(folder, what.learned_loss, history=histories[i], best=best, left_at=left_at, board=board))
    with ExitStack() as stack:
        for record in records:
            stack.callback(record.close)
        stop = stack.enter_context(stop_on_signals())
        steps = train(
            session.plan, measure=looks, log_every=settings.log_every, eval_every=settings.eval_every, start=start
        )
        for i, progress in enumerate(steps):
            if i or start is None:  # where it was left is on record
                _record(session, records, looks, progress)
            _watch(session, progress, stop)
            if _saves(session, progress, stop):
                _save(session, root, records, progress)
            if stop.signal is not None:
                break
        return _finish(session, root, records, looks, progress, stop)


def _record(session: Session, records: list[Record], looks: Looks, progress: Progress) -> None:
    if progress.metrics is not None or History.due(progress):
        metrics: Sequence[Any] = progress.metrics or [None] * len(records)
        for record, phi, numbers in zip(records, looks.of_each(progress.state.phi), metrics, strict=True):
            record.look(progress, _done(session, progress), phi, numbers)
    if progress.metrics is not None and "valid_error" in progress.metrics[0]:
        for record, alone, numbers in zip(records, looks.states(progress.state), progress.metrics, strict=True):
            record.best = better(record.best, progress.step, looks.score(numbers), alone)


def _watch(session: Session, progress: Progress, stop: Stop) -> None:
    try:
        if session.watch is not None:
            session.watch(progress)
    except KeyboardInterrupt:
        stop.signal = SIGINT


def _saves(session: Session, progress: Progress, stop: Stop) -> bool:
    """Whether a checkpoint is due: every so many steps, and where the run stops."""
    every, stride, step = session.settings.checkpoint_every, progress.phase.stride, progress.step
    return step > 0 and (stop.signal is not None or (every > 0 and step // every > (step - stride) // every))


def _finish(
    session: Session, root: Path, records: list[Record], looks: Looks, progress: Progress, stop: Stop
) -> list[Result]:
    completed = progress.phase is session.plan.phases[-1] and progress.step == progress.phase.num_steps
    where: dict[str, Any] = {
        "kind": session.task.kind,
        "phase": progress.phase.name,
        "step": progress.step,
        "completed": completed,
    }
    results = []
    for record, alone in zip(records, looks.states(progress.state), strict=True):
        last = _measure(session, looks, progress.step, snapshot(alone))
        best = None
        if record.best is not None:
            at_the_end = record.best.step == progress.step
            best = last if at_the_end else _measure(session, looks, record.best.step, record.best.model)
        kept = best if best is not None and session.settings.keep == "best" else last
        ended = Ended(
            **where,
            valid_error=kept.look.valid_error,
            test_error=kept.look.test_error,
            valid=kept.valid,
            test=kept.test,
            last=last.look,
            best=None if best is None else best.look,
        )
        results.append(record.finish(kept.model, ended, stop.signal))
    if completed:
        remove_checkpoints(root)
    return results


class _Measured(NamedTuple):
    """A model of one seed with its errors, and what is reported beside them."""

    model: Snapshot
    look: Look
    valid: dict[str, float]
    test: dict[str, float]


def _measure(session: Session, looks: Looks, step: int, model: Snapshot) -> _Measured:
    (valid_error, valid), (test_error, test) = (
        looks.measured(model, split) for split in (session.task.valid, session.task.test)
    )
    return _Measured(model, Look(step, valid_error, test_error), valid, test)


def _save(session: Session, root: Path, records: list[Record], progress: Progress) -> None:
    tensors = {f"state{name}": t for name, t in named(progress.state).items()}
    for i, record in enumerate(records):
        tensors |= {f"history {i} {name}": t for name, t in record.history.tensors().items()}
        if record.best is not None:
            tensors |= {f"best {i} {name}": t for name, t in record.best.tensors().items()}
    places = [record.position() for record in records]
    done = _done(session, progress)
    write_checkpoint(root, done, tensors, Left(progress.phase.name, progress.step, done, places))


def _done(session: Session, progress: Progress) -> int:
    """Steps of all phases that are done."""
    before = session.plan.phases[: session.plan.phases.index(progress.phase)]
    return sum(phase.num_steps for phase in before) + progress.step


def _position(session: Session, checkpoint: Checkpoint, num_runs: int) -> Position:
    """Where a checkpoint of this very run was made."""
    like, found, left = named(session.plan.state), _part(checkpoint, "state"), checkpoint.left
    if {name: (t.shape, t.dtype) for name, t in like.items()} != {
        name: (t.shape, t.dtype) for name, t in found.items()
    }:
        raise UserError(f"{checkpoint.path} is of another model or loss than config.json; it cannot be resumed.")
    lengths = {phase.name: (phase.num_steps, phase.stride) for phase in session.plan.phases}
    most, stride = lengths.get(left.phase, (-1, 1))
    if left.step > most or left.step % stride or len(left.records) != num_runs:
        raise UserError(f"{checkpoint.path} is of other steps or seeds than config.json; it cannot be resumed.")
    state = refill(session.plan.state, {name: t.to(like[name].device) for name, t in found.items()})
    return Position(left.phase, left.step, state)


def _history(session: Session, checkpoint: Checkpoint, i: int) -> History:
    """The history of the i-th run up to a checkpoint."""
    history = History.of(_part(checkpoint, f"history {i} "), str(checkpoint.path))
    like = session.plan.state.phi or {}
    shapes = {name: t.shape[session.seeds is not None :] for name, t in like.items()}
    if any({name: t.shape for name, t in phi.items()} != shapes for phi in history.phis):
        raise UserError(f"{checkpoint.path} is of another loss than config.json; it cannot be resumed.")
    return history


def _best(session: Session, checkpoint: Checkpoint, looks: Looks, i: int) -> Best | None:
    """The best look of the i-th run up to a checkpoint."""
    like = snapshot(looks.states(session.plan.state)[i])
    return best_of(_part(checkpoint, f"best {i} "), like, str(checkpoint.path))


def _most(session: Session, num_runs: int) -> int:
    """Bytes of the greatest checkpoint that such a session makes."""
    state, phi = (num_bytes(named(tree)) for tree in (session.plan.state, session.plan.state.phi))
    return 2 * state + (phi + MEBIBYTE) * num_runs * MOST_LOOKS + HEADER


def _part(checkpoint: Checkpoint, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): t for name, t in checkpoint.tensors.items() if name.startswith(prefix)}
