"""A method on a problem: where it starts, and its phases in order."""

from typing import NamedTuple

from ..catalogue import METHODS
from ..errors import one_of
from .phases import Phase, first_state, fixed_phase, offline_phase, online_phase
from .problem import Problem, State


class Plan(NamedTuple):
    """A method on a problem: where it starts, and its phases in order."""

    state: State
    phases: list[Phase]


def plan(method: str, problem: Problem) -> Plan:
    """Returns the phases of a method on a problem.

    A method that learns offline has an offline phase (Algorithm 1 or 3) first. Then the model is trained: in online
    steps (Algorithm 2 or 4) where the method learns online, else on a loss that does not change.

    Args:
        method: a name in `lfl.catalogue.METHODS`.
        problem: what is trained.

    Raises:
        UserError: an unknown method.
    """
    one_of("method", method, list(METHODS))
    entry = METHODS[method]
    offline = [offline_phase(problem)] if entry.offline else []
    training = online_phase(problem) if entry.online else fixed_phase(problem)
    return Plan(first_state(problem), [*offline, training])
