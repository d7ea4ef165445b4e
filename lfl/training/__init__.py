"""Training: settings, what they amount to, and the loop."""

from .build import (
    ERRORS,
    build_functional,
    build_problem,
    build_programs,
    compiles,
    trains_together,
)
from .effective import effective_rate
from .evaluate import evaluate, mean_error, outputs_on
from .learned import learned
from .loop import Position, Progress, train
from .metrics import metrics_of
from .objective import TASK_LOSSES, objective_of
from .settings import DEFAULT_METHOD, DEFAULT_MODEL, DEFAULT_TASK, Settings, resolve

__all__ = [
    "DEFAULT_METHOD",
    "DEFAULT_MODEL",
    "DEFAULT_TASK",
    "ERRORS",
    "TASK_LOSSES",
    "Position",
    "Progress",
    "Settings",
    "build_functional",
    "build_problem",
    "build_programs",
    "compiles",
    "effective_rate",
    "evaluate",
    "learned",
    "mean_error",
    "metrics_of",
    "objective_of",
    "outputs_on",
    "resolve",
    "train",
    "trains_together",
]
