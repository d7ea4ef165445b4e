"""Training: settings, what they amount to, and the loop."""

from ..loss import TASK_LOSSES
from ..settings import Settings
from .build import (
    ERRORS,
    build_functional,
    build_problem,
    build_programs,
    compiles,
    corrupted_train,
    is_corrupted,
    trains_together,
)
from .loop import Position, Progress, train
from .losses import learned, objective_of
from .metrics import effective_rate, evaluate, mean_error, metrics_of, outputs_on
from .resolve import resolve
from .suspects import Suspects, suspects

__all__ = [
    "ERRORS",
    "TASK_LOSSES",
    "Position",
    "Progress",
    "Settings",
    "Suspects",
    "build_functional",
    "build_problem",
    "build_programs",
    "compiles",
    "corrupted_train",
    "effective_rate",
    "evaluate",
    "is_corrupted",
    "learned",
    "mean_error",
    "metrics_of",
    "objective_of",
    "outputs_on",
    "resolve",
    "suspects",
    "train",
    "trains_together",
]
