"""Training: settings, what they amount to, and the loop."""

from .build import (
    ERRORS,
    TASK_LOSSES,
    build_functional,
    build_problem,
    build_programs,
    compiles,
    is_spoiled,
    spoiled_train,
    trains_together,
)
from .effective import effective_rate
from .evaluate import evaluate
from .learned import learned
from .loop import Position, Progress, train
from .settings import DEFAULT_METHOD, DEFAULT_MODEL, DEFAULT_TASK, Settings, resolve
from .suspects import Suspects, suspects

__all__ = [
    "DEFAULT_METHOD",
    "DEFAULT_MODEL",
    "DEFAULT_TASK",
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
    "resolve",
    "spoiled_train",
    "suspects",
    "train",
    "trains_together",
]
