"""Training: settings, what they amount to, and the loop."""

from ..settings import Settings
from .build import (
    ERRORS,
    build_functional,
    build_problem,
    build_programs,
    compiles,
    is_spoiled,
    spoiled_train,
    trains_together,
)
from .effective import effective_rate
from .evaluate import evaluate, mean_error, outputs_on
from .learned import learned
from .loop import Position, Progress, train
from .metrics import metrics_of
from .objective import TASK_LOSSES, objective_of
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
    "effective_rate",
    "evaluate",
    "is_spoiled",
    "learned",
    "mean_error",
    "metrics_of",
    "objective_of",
    "outputs_on",
    "resolve",
    "spoiled_train",
    "suspects",
    "train",
    "trains_together",
]
