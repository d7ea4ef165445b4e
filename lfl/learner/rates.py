"""The learning rates of a step: the optimisers' own, a schedule's, or a torch scheduler's."""

from collections.abc import Callable

import torch

from ..errors import UserError, one_of
from ..optimiser.optimiser import rate_of
from ..schedules import AS_THE_MODEL, SCHEDULES, schedule_factor
from ..types import Rate
from .torch_optim import Given

Schedule = str | Callable[[int], float]
"""A name in `SCHEDULES`, or `factor(step)`, what the rate is multiplied by at a step, from 0 on."""


class Rates:
    """The rates of theta and of phi at each step.

    Args:
        inner, outer: the optimisers.
        schedule, outer_schedule: of theta's and of phi's rate; `"model"`: as theta's.
        steps: of the training, for schedules by name.
        like: a parameter, for the precision and the device of the rates.

    Raises:
        UserError: an unknown schedule, one that needs `steps`, or an optimiser that does not say its rate.
    """

    def __init__(
        self,
        inner: Given,
        outer: Given,
        schedule: Schedule,
        outer_schedule: Schedule,
        steps: int | None,
        like: torch.Tensor,
    ) -> None:
        if outer_schedule == AS_THE_MODEL:
            outer_schedule = schedule
        for name, each, known in (
            ("schedule", schedule, [*SCHEDULES]),
            ("outer_schedule", outer_schedule, [*SCHEDULES, AS_THE_MODEL]),
        ):
            if not callable(each):
                one_of(name, each, known)
                if each != "constant" and steps is None:
                    raise UserError(
                        f'{name} "{each}" needs steps, the number of steps of the training; give steps=1000, say.'
                    )
        for name, given, each in (("optimizer", inner, schedule), ("loss_optimizer", outer, outer_schedule)):
            if each != "constant" and rate_of(given.pair) is None:
                raise UserError(
                    f"a schedule needs to know the rate of {name}, which this pair does not say; set it as an "
                    "attribute of its update, update.lr = 0.1, and take the rate that update is given."
                )
        self._inner, self._outer, self._steps = inner, outer, steps
        self._schedule, self._outer_schedule = schedule, outer_schedule
        self._dtype, self._device = torch.promote_types(like.dtype, torch.float32), like.device

    def inner(self, step: int) -> Rate | None:
        """Theta's rate; None for the optimiser's own."""
        return self._rate(self._inner, self._schedule, step)

    def outer(self, step: int) -> Rate | None:
        """Phi's rate; None for the optimiser's own."""
        return self._rate(self._outer, self._outer_schedule, step)

    def _rate(self, given: Given, schedule: Schedule, step: int) -> Rate | None:
        changed = given.changed_lr
        if schedule == "constant" and changed is None:
            return None
        base = rate_of(given.pair) if changed is None else changed
        assert base is not None
        rate = base * self._factor(schedule, step)
        return torch.as_tensor(rate, dtype=self._dtype, device=self._device)

    def _factor(self, schedule: Schedule, step: int) -> float:
        if callable(schedule):
            return float(schedule(step))
        if self._steps is None or schedule == "constant":
            return 1.0
        if step >= self._steps:
            raise UserError(
                f'the schedule "{schedule}" is for {self._steps} steps, and they are done; give a larger steps, or '
                'make a new lfl.Learner with schedule="constant" to go on.'
            )
        return schedule_factor(schedule, step, self._steps)
