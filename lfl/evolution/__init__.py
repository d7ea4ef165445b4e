"""Evolution of losses: how candidates are evaluated, and the search."""

from ..evolution_settings import filter_steps_for
from ..run.searched import Verdict
from .api import evolve
from .choose import Evaluator, choose_evaluator, default_evaluator, make_evaluator
from .closures import Closures, Measured, closures
from .lanes import Lanes, lanes
from .outcome import Evaluate, Outcome
from .progress import Searching
from .protocol import Protocol

__all__ = [
    "Closures",
    "Evaluate",
    "Evaluator",
    "Lanes",
    "Measured",
    "Outcome",
    "Protocol",
    "Searching",
    "Verdict",
    "choose_evaluator",
    "closures",
    "default_evaluator",
    "evolve",
    "filter_steps_for",
    "lanes",
    "make_evaluator",
]
