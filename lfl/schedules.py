"""Schedules of a learning rate: what it is multiplied by when a share of the steps is done."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings import Settings

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    "step": lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
}

AS_THE_MODEL = "model"
"""The schedule of the loss's rate that is the model's own."""

ABOUT = {
    "constant": "the same rate throughout",
    "cosine": "half a cosine down to zero",
    "step": "a tenth from half of the steps on, a hundredth from three quarters on",
}


def schedule_factor(settings: "Settings", step: int) -> float:
    """What the model's learning rate is multiplied by at a step."""
    return SCHEDULES[settings.schedule](step / settings.steps)


def outer_schedule_factor(settings: "Settings", step: int) -> float:
    """What the loss's online learning rate is multiplied by at a step."""
    chosen = settings.outer_schedule
    return SCHEDULES[settings.schedule if chosen == AS_THE_MODEL else chosen](step / settings.steps)
