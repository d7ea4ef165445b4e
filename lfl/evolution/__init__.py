"""Evolution of losses: how candidates are evaluated, and the search."""

from .api import evolve
from .closures import Closures, Measured, closures
from .lanes import Lanes, lanes
from .outcome import Evaluate, Outcome, Verdict
from .progress import Searching
from .protocol import Protocol, filter_steps_for

__all__ = [
    "Closures",
    "Evaluate",
    "Lanes",
    "Measured",
    "Outcome",
    "Protocol",
    "Searching",
    "Verdict",
    "closures",
    "evolve",
    "filter_steps_for",
    "lanes",
]
