"""What the processes of one run tell each other between steps: where it begins, and when it stops."""

import math
from typing import Any

from ..errors import UserError
from ..method import Plan
from ..settings import Settings
from ..step import Ranks
from ..training import Position, Progress, train
from ..trees import named, refill
from .record import Result
from .signals import Stop, stop_on_signals

CHECK_EVERY = 1000
"""Steps between two comparisons of what the ranks hold."""


def refuse(ranks: Ranks | None, settings: Settings) -> None:
    """Raises `UserError` for settings that several processes cannot share."""
    if ranks is None:
        return
    for name in ("batch_size", "meta_batch_size"):
        value = getattr(settings, name)
        if value is not None and value % ranks.size:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"{flag} must be a multiple of the {ranks.size} ranks of torchrun, got {value}.")


def begin(ranks: Ranks | None, plan: Plan, start: Position | None) -> Position | None:
    """Where all ranks begin: where rank 0 does; then all have the same state, bit for bit, and the same data.

    Args:
        ranks: the processes of the run; None for one.
        plan: of the run.
        start: of rank 0, from a checkpoint; not used of others.

    Raises:
        UserError: the ranks differ.
    """
    if ranks is None:
        return start
    mine = None
    if start is not None and ranks.rank == 0:
        mine = start.phase, start.step, {name: t.cpu() for name, t in named(start.state).items()}
    given: Any = ranks.from_first(mine)
    if given is not None and ranks.rank:
        phase, step, tensors = given
        like = named(plan.state)
        start = Position(
            phase, step, refill(plan.state, {name: t.to(like[name].device) for name, t in tensors.items()})
        )
    state = plan.state if start is None else start.state
    ranks.check_equal(theta=state.theta, phi=state.phi or {}, **{"the data": plan.phases[-1].draw(0)})
    return start


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


def follow(ranks: Ranks, plan: Plan, settings: Settings, kind: Any, where: Any) -> Result:
    """Takes part in a run whose folder another rank writes.

    Args:
        ranks: the processes of the run.
        plan, settings: of the run, the same as rank 0's.
        kind, where: of the targets; the run folder, for the result.

    Returns:
        How it ended, without errors, which rank 0 measures.
    """
    start = begin(ranks, plan, None)
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
    return Result(where, kind, *ended, math.nan, math.nan, 0.0, signal=together.signal)
