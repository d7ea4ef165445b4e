"""Methods: what each learns besides the model, as phases of training steps."""

from .methods import Plan, plan
from .phases import Phase
from .problem import Problem, Programs, State, programs

__all__ = [
    "Phase",
    "Plan",
    "Problem",
    "Programs",
    "State",
    "plan",
    "programs",
]
