"""Evolution of losses: how candidates are evaluated, and the search."""

from .closures import Closures, Measured, closures
from .lanes import Lanes, lanes
from .outcome import Evaluate, Outcome, Verdict
from .protocol import Protocol, filter_steps_for

__all__ = [
    "Closures",
    "Evaluate",
    "Lanes",
    "Measured",
    "Outcome",
    "Protocol",
    "Verdict",
    "closures",
    "filter_steps_for",
    "lanes",
]
