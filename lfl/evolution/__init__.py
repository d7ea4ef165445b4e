"""Evolution of losses: how candidates are evaluated, and the search."""

from ..evolution_settings import filter_steps_for
from ..run.searched import Verdict
from .api import evolve
from .closures import Closures, Measured, closures
from .outcome import Evaluate, Outcome
from .progress import Searching
from .protocol import Protocol

__all__ = [
    "Closures",
    "Evaluate",
    "Measured",
    "Outcome",
    "Protocol",
    "Searching",
    "Verdict",
    "closures",
    "evolve",
    "filter_steps_for",
]
