"""Trains a few-shot run into its folder: records it, saves checkpoints, continues from one, and stops on a signal."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from msgspec import to_builtins

from ..boundary import HEADER, num_bytes
from ..errors import UserError
from ..fewshot_settings import FewShot
from ..run.checkpoint import Checkpoint, read_checkpoint, remove_checkpoints, write_checkpoint
from ..run.evaluation import Best, best_of, better_model
from ..run.folder import check_plain, clear_partial, write_json, write_tensors
from ..run.logger import Logger, start_loggers
from ..run.loggers import loggers_of
from ..run.record import Record
from ..run.schema import Left
from ..run.session import Say, silent
from ..run.signals import Stop, call_watch, stop_on_signals
from ..trees import named
from ..types import Tree
from .episode import Episodes, SplitName
from .evaluation import evaluate
from .folder import EpisodeErrors, FewShotEnded
from .method import FewShotMethod
from .pixel_floor import pixel_floor
from .train import TRAIN, FewShotProgress, FewShotState, few_shot_step, first_state, run_steps, step_program

AT_ONCE = 25
"""Tasks that are evaluated at once, where a step has fewer."""

FewShotWatch = Callable[[FewShotProgress], None]


class FewShotSession(NamedTuple):
    """Episodes, settings and a method, ready to train.

    Args:
        episodes, settings, method: of the run.
        watch: called with each `FewShotProgress`.
        loggers: take the metrics, beside those that the settings name.
        compiled: whether the steps are compiled.
    """

    episodes: Episodes
    settings: FewShot
    method: FewShotMethod
    compiled: bool = False
    watch: FewShotWatch | None = None
    loggers: Sequence[Logger] = ()


class FewShotResult(NamedTuple):
    """How a few-shot run ended.

    Args:
        folder: the run folder.
        ended: the content of its `result.json`.
        seconds: of training and evaluation.
        signal: the signal that interrupted it, if any.
    """

    folder: Path
    ended: FewShotEnded
    seconds: float
    signal: int | None = None


def run_few_shot(session: FewShotSession, folder: Path, say: Say = silent) -> FewShotResult:
    """Trains to the end or until a signal, from the last checkpoint on where there is one.

    Args:
        session: what to train.
        folder: of the run, which this process has locked.
        say: called with a line about each checkpoint that is damaged.

    Raises:
        UserError: the checkpoint is of another run, or a link lies in the folder.
        Failure: training diverged.
    """
    check_plain(folder)
    state = first_state(session.method)
    checkpoint, damaged = read_checkpoint(folder, 2 * num_bytes(named(state)) + HEADER)
    for path in damaged:
        say(f"{path} is damaged and not used.")
    done, best, left_at = 0, None, None
    if checkpoint is not None:
        state, best = _restored(session, checkpoint, state)
        done, left_at = checkpoint.left.step, checkpoint.left.records[0]
    with ExitStack() as stack:
        wanted = [*loggers_of(session.settings.log, folder), *session.loggers]
        loggers = start_loggers(wanted, asdict(session.settings), done)
        record = Record(folder, None, left_at=left_at, loggers=loggers)
        stack.callback(record.close)
        stop = stack.enter_context(stop_on_signals())
        method, settings = session.method, session.settings
        program = step_program(method, settings, compiled=session.compiled)
        steps = run_steps(
            partial(few_shot_step, method, session.episodes, settings, program=program),
            lambda state, step: _validated(session, state),
            session.settings,
            state,
            done,
        )
        for i, progress in enumerate(steps):
            if i:
                numbers = None if progress.metrics is None else progress.metrics[0]
                record.write_step(cast(Any, progress), progress.step, None, numbers)
                best = _better(best, progress)
            call_watch(session.watch, progress, stop)
            if _saves(session.settings, progress, stop):
                _save(folder, record, progress, best)
            if stop.signal is not None:
                break
        return _finish(session, folder, record, progress, best, stop)


def measured(
    method: FewShotMethod, settings: FewShot, episodes: Episodes, phi: Tree, split: SplitName, num_tasks: int
) -> EpisodeErrors:
    """Measures what was learned on the first fixed episodes of a split."""
    steps, at_once = settings.test_steps, settings.tasks_at_once or max(settings.meta_batch, AT_ONCE)
    found = evaluate(method, phi, episodes, split, num_tasks=num_tasks, steps=steps, tasks_at_once=at_once)
    return EpisodeErrors(num_tasks, found.means, found.half_widths)


def _validated(session: FewShotSession, state: FewShotState) -> dict[str, float]:
    found = measured(
        *session[2:3], session.settings, session.episodes, state.phi, "valid", session.settings.valid_tasks
    )
    return {"valid_error": found.errors[-1]}


def _better(best: Best | None, progress: FewShotProgress) -> Best | None:
    """The better of the best step so far and this one: the earlier of equals. NaN is the worst score."""
    if progress.metrics is None or "valid_error" not in progress.metrics[0]:
        return best
    return better_model(best, progress.step, progress.metrics[0]["valid_error"], progress.state.phi)


def _saves(settings: FewShot, progress: FewShotProgress, stop: Stop) -> bool:
    every = settings.checkpoint_every
    return progress.step > 0 and (stop.signal is not None or (every > 0 and progress.step % every == 0))


def _save(folder: Path, record: Record, progress: FewShotProgress, best: Best | None) -> None:
    tensors = {f"state{name}": t for name, t in named(progress.state).items()}
    if best is not None:
        tensors |= {f"best {name}": t for name, t in best.tensors().items()}
    write_checkpoint(folder, progress.step, tensors, Left(TRAIN, progress.step, progress.step, [record.place()]))


def _restored(session: FewShotSession, checkpoint: Checkpoint, state: FewShotState) -> tuple[FewShotState, Best | None]:
    """The state of a checkpoint, which must be of this very run, and the best step before it."""
    left, state = checkpoint.left, checkpoint.state(state, "model or method")
    if left.phase != TRAIN or left.step > session.settings.steps or len(left.records) != 1:
        raise UserError(f"{checkpoint.path} is of other steps than config.json; it cannot be resumed.")
    return state, best_of(checkpoint.part("best "), state.phi, str(checkpoint.path))


def _finish(
    session: FewShotSession,
    folder: Path,
    record: Record,
    progress: FewShotProgress,
    best: Best | None,
    stop: Stop,
) -> FewShotResult:
    """Measures what is kept, and writes it; `result.json` is written last."""
    settings, episodes = session.settings, session.episodes
    kept, step = progress.state.phi, progress.step
    if best is not None and settings.keep == "best":
        kept, step = best.model, best.step
    valid, test = (
        measured(session.method, settings, episodes, kept, split, count)  # type: ignore[arg-type]
        for split, count in (("valid", settings.valid_tasks), ("test", settings.test_tasks))
    )
    ended = FewShotEnded(
        kind=episodes.kind,
        phase=TRAIN,
        step=progress.step,
        completed=progress.step == settings.steps,
        transductive=session.method.transductive,
        best_step=step,
        valid_error=valid.errors[-1],
        test_error=test.errors[-1],
        valid=valid,
        test=test,
        floor=pixel_floor(episodes, settings.test_tasks),
    )
    clear_partial(folder)
    write_tensors(folder / "phi.safetensors", named(kept))
    write_json(folder / "result.json", to_builtins(ended))
    if ended.completed:
        remove_checkpoints(folder)
    return FewShotResult(folder, ended, time.perf_counter() - record.start, stop.signal)
