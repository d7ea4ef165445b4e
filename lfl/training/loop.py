"""The loop: phase by phase, step by step, telling what happens."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import Failure
from ..method import Phase, Plan, State
from ..step import Info


@dataclass(frozen=True)
class Progress:
    """Where training is after a step.

    Args:
        phase: the phase it is in.
        step: steps of the phase that are done.
        state: after the step; at step 0, as the phase starts.
        metrics: losses, gradient norms and validation error as numbers, at the steps where they are looked at.
    """

    phase: Phase
    step: int
    state: State
    metrics: dict[str, float] | None


def train(plan: Plan, *, validate: Callable[[State], float], log_every: int, eval_every: int) -> Iterator[Progress]:
    """Run a plan.

    Args:
        plan: a method on a problem.
        validate: `validate(state) -> error` on the validation split.
        log_every: steps between two looks at losses and gradient norms.
        eval_every: steps between two looks at the validation error, while theta trains.

    Yields:
        A `Progress` at the start of each phase and after each step.

    Raises:
        Failure: a loss or gradient is not finite; looked for at every `log_every`-th step.
    """
    state = plan.state
    for phase in plan.phases:
        state = phase.start(state)
        yield Progress(phase, 0, state, None)
        for step in range(1, phase.num_steps + 1):
            state, info = phase.step(state, phase.draw(step - 1))
            last = step == phase.num_steps
            metrics = None
            evaluated = phase.name == "train" and (step % eval_every == 0 or last)
            if evaluated or step % log_every == 0 or last:
                metrics = _numbers(info, phase, step)
                if evaluated:
                    metrics["valid_error"] = validate(state)
            yield Progress(phase, step, state, metrics)


def _numbers(info: Info, phase: Phase, step: int) -> dict[str, float]:
    numbers = {name: float(value) for name, value in info._asdict().items()}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise Failure(
                f"{name} became {value} by step {step} of phase {phase.name}; "
                "lower --inner-lr, --init-lr or --outer-lr, or look for extreme values in the data."
            )
    return numbers
