"""Evolution of losses: how candidates are evaluated, and the search."""

from .outcome import Evaluate, Outcome, Verdict
from .protocol import Protocol, filter_steps_for

__all__ = ["Evaluate", "Outcome", "Protocol", "Verdict", "filter_steps_for"]
