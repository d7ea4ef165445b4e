"""Schedules of a learning rate: what it is multiplied by when a share of the steps is done."""

import math
from collections.abc import Callable
from typing import NamedTuple


class Schedule(NamedTuple):
    """A schedule.

    Args:
        about: one line for help and completion.
        factor: `factor(done)`, when the share `done` of the steps is done, from 0 to 1.
    """

    about: str
    factor: Callable[[float], float]


SCHEDULES = {
    "constant": Schedule("the same rate throughout", lambda done: 1.0),
    "cosine": Schedule("half a cosine down to zero", lambda done: 0.5 * (1.0 + math.cos(math.pi * done))),
    "step": Schedule(
        "a tenth from half of the steps on, a hundredth from three quarters on",
        lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
    ),
}

AS_THE_MODEL = "model"
"""The schedule of the loss's rate that is the model's own."""


def schedule_factor(schedule: str, step: int, steps: int) -> float:
    """Returns what the model's learning rate is multiplied by at a step, from 0 on, of so many."""
    return SCHEDULES[schedule].factor(step / steps)


def outer_schedule_factor(outer_schedule: str, schedule: str, step: int, steps: int) -> float:
    """Returns what the loss's online learning rate is multiplied by; `schedule` is the model's."""
    return SCHEDULES[schedule if outer_schedule == AS_THE_MODEL else outer_schedule].factor(step / steps)
