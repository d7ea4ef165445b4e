"""The loop: phase by phase, step by step, telling what happens."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import Diverged
from ..method import Phase, Plan, State
from ..step import Info, warn_of_zero_gradient


@dataclass(frozen=True)
class Progress:
    """Where training is after a step.

    Args:
        phase: the phase it is in.
        step: steps of the phase that are done.
        state: after the step; at step 0, as the phase starts. Stacked where many seeds train together.
        metrics: for each seed, losses, gradient norms and validation error as numbers, at the steps where they are
            looked at.
    """

    phase: Phase
    step: int
    state: State
    metrics: list[dict[str, float]] | None


class Position(NamedTuple):
    """Where a run was left: after so many steps of the phase of that name."""

    phase: str
    step: int
    state: State


def train(
    plan: Plan,
    *,
    look: Callable[[State, int], list[dict[str, float]]],
    log_every: int,
    eval_every: int,
    start: Position | None = None,
) -> Iterator[Progress]:
    """Run a plan, or what is left of it.

    Args:
        plan: a method on a problem.
        look: `look(state, step) -> numbers`, such as the validation error, for each seed.
        log_every: steps between two looks at losses and gradient norms.
        eval_every: steps between two calls of `look`, while theta trains.
        start: where to go on; from the beginning when omitted.

    Yields:
        A `Progress` at the start of each phase, or at `start`, and after each step.

    Warns:
        ZeroGradientWarning: the gradient of phi is exactly 0 at the first of its steps in a phase.

    Raises:
        Diverged: a loss or gradient is not finite; looked for at every `log_every`-th step.
    """
    names = [phase.name for phase in plan.phases]
    state = plan.state
    for phase in plan.phases if start is None else plan.phases[names.index(start.phase) :]:
        if start is not None and phase.name == start.phase:
            done, state = start.step, start.state
        else:
            done, state = 0, plan.state._replace(phi=state.phi)
        yield Progress(phase, done, state, None)
        learned = False
        for first in range(done, phase.num_steps, phase.stride):
            state, info = phase.step(state, phase.draw(first))
            if not learned and phase.learns(first):
                learned = True
                warn_of_zero_gradient(info)
            step = first + phase.stride
            last = step == phase.num_steps

            def due(every: int) -> bool:
                return last or step // every > first // every  # noqa: B023

            metrics = None
            evaluated = phase.name == "train" and due(eval_every)
            if evaluated or due(log_every):
                metrics = _numbers(info, phase, step)
                if evaluated:
                    metrics = [numbers | seen for numbers, seen in zip(metrics, look(state, step), strict=True)]
            yield Progress(phase, step, state, metrics)


def _numbers(info: Info, phase: Phase, step: int) -> list[dict[str, float]]:
    """Info of each seed as numbers."""
    columns = {name: value.reshape(-1).tolist() for name, value in info._asdict().items()}
    for name, values in columns.items():
        for value in values:
            if not math.isfinite(value):
                raise Diverged(
                    f"{name} became {value} by step {step} of phase {phase.name}; "
                    "lower --inner-lr, --offline-lr or --outer-lr, look for extreme values in the data, "
                    "or see whether --method baseline or meta-lr holds."
                )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
