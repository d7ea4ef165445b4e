"""What the processes of one run tell each other between steps: where it begins, and when it stops."""

import math
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..method import Plan
from ..settings import Settings
from ..step import Ranks
from ..step.ranks import ranks_of
from ..training import Position, Progress, train
from ..trees import named, refill
from ..types import Group
from .record import Result
from .signals import Stop, stop_on_signals

CHECK_EVERY = 1000
"""Steps between two comparisons of what the ranks hold."""


def ranks_for(group: Group | None, settings: Settings) -> Ranks | None:
    """The processes of a run, with batch norm as its settings say; None for a single process.

    Raises:
        UserError: settings that several processes cannot share, or a group with others.
    """
    ranks = ranks_of(group)
    if ranks is None:
        return None
    if ranks.batches == "own":
        raise UserError(
            "every rank of a run draws the whole batch and takes its slice, got lfl.Ranks(batches='own'); leave it out."
        )
    if ranks.batch_norm not in ("local", settings.batch_norm):
        raise UserError(
            f"batch norm of a run is one of its settings, got {ranks.batch_norm!r} in lfl.Ranks beside "
            f"{settings.batch_norm!r}; give lfl.train batch_norm={ranks.batch_norm!r}."
        )
    if settings.batch_norm == "synchronised" and settings.compile == "on":
        raise UserError(
            "--batch-norm synchronised exchanges statistics within each pass, which cannot be compiled then; choose "
            "--compile off, or --batch-norm local."
        )
    for name in ("batch_size", "meta_batch_size"):
        value = getattr(settings, name)
        if value is not None and value % ranks.size:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"{flag} must be a multiple of the {ranks.size} ranks of torchrun, got {value}.")
    return Ranks(ranks.group, batch_norm=settings.batch_norm)


def begin(ranks: Ranks | None, plan: Plan, start: Position | None, folder: Path) -> tuple[Position | None, Path]:
    """Where all ranks begin: where rank 0 does; then all have the same state, bit for bit, and the same data.

    Args:
        ranks: the processes of the run; None for one.
        plan: of the run.
        start: of rank 0, from a checkpoint; not used of others.
        folder: of the run, of rank 0 likewise.

    Returns:
        The position, None for the beginning, and rank 0's folder.

    Raises:
        UserError: the ranks differ.
    """
    if ranks is None:
        return start, folder
    mine = None
    if start is not None and ranks.rank == 0:
        mine = start.phase, start.step, {name: t.cpu() for name, t in named(start.state).items()}
    given: Any
    given, folder = ranks.from_first((mine, folder.resolve()))
    if given is not None and ranks.rank:
        phase, step, tensors = given
        like = named(plan.state)
        start = Position(
            phase, step, refill(plan.state, {name: t.to(like[name].device) for name, t in tensors.items()})
        )
    state = plan.state if start is None else start.state
    ranks.check_equal(theta=state.theta, phi=state.phi or {}, **{"the data": plan.phases[-1].draw(0)})
    return start, folder


def agreed(ranks: Ranks | None, stop: Stop) -> Stop:
    """What all ranks do after this step: they stop where one was asked to.

    A signal that arrives meanwhile stays in `stop`, for the next step.
    """
    if ranks is None:
        return stop
    together = Stop()
    together.signal = ranks.largest(stop.signal or 0) or None
    return together


def check(ranks: Ranks | None, progress: Progress) -> None:
    """Compares what the ranks hold, now and then.

    Raises:
        UserError: they differ.
    """
    if ranks is not None and progress.step > 0 and progress.step % CHECK_EVERY == 0:
        ranks.check_equal(theta=progress.state.theta, phi=progress.state.phi or {})


def follow(ranks: Ranks, plan: Plan, settings: Settings, kind: Any) -> Result:
    """Takes part in a run whose folder another rank writes.

    Args:
        ranks: the processes of the run.
        plan, settings: of the run, the same as rank 0's.
        kind: of the targets, for the result.

    Returns:
        How it ended, without errors, which rank 0 measures.
    """
    start, folder = begin(ranks, plan, None, Path())
    with stop_on_signals() as stop:
        for progress in train(
            plan,
            measure=lambda state, step: [{}],
            log_every=settings.log_every,
            eval_every=settings.eval_every,
            start=start,
        ):
            check(ranks, progress)
            together = agreed(ranks, stop)
            if together.signal is not None:
                break
    completed = progress.phase is plan.phases[-1] and progress.step == progress.phase.num_steps
    ended = progress.phase.name, progress.step, completed
    return Result(folder, kind, *ended, math.nan, math.nan, 0.0, signal=together.signal)
