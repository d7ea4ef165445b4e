"""Methods: what is done with a problem, phase by phase."""

from .methods import Plan, plan
from .phases import Phase
from .problem import Problem, State
from .programs import Programs, programs

__all__ = [
    "Phase",
    "Plan",
    "Problem",
    "Programs",
    "State",
    "plan",
    "programs",
]
