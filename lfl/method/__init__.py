"""Methods: what each learns besides the model, as phases of training steps."""

from .methods import METHODS, Method, Plan, offline_only, plan, train_only
from .phases import Phase
from .problem import Problem, Programs, State, programs

__all__ = [
    "METHODS",
    "Method",
    "Phase",
    "Plan",
    "Problem",
    "Programs",
    "State",
    "offline_only",
    "plan",
    "programs",
    "train_only",
]
