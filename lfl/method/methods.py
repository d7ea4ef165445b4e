"""The methods that are compared, each a list of phases."""

from collections.abc import Callable
from typing import NamedTuple

from ..errors import one_of
from .phases import Phase, first_state, fixed_phase, offline_phase, online_phase
from .problem import Problem, State


class Plan(NamedTuple):
    """A method on a problem: where it starts, and its phases in order."""

    state: State
    phases: list[Phase]


def baseline(problem: Problem) -> Plan:
    """Train on the task's own loss."""
    return Plan(first_state(problem, learned=False), [fixed_phase(problem)])


def ml3(problem: Problem) -> Plan:
    """Learn the loss offline (Algorithm 1), then train on it as it stands."""
    return Plan(first_state(problem, learned=True), [offline_phase(problem), fixed_phase(problem)])


def adalfl(problem: Problem) -> Plan:
    """Learn the loss offline (Algorithm 1), and go on learning it while the model trains (Algorithm 2)."""
    return Plan(first_state(problem, learned=True), [offline_phase(problem), online_phase(problem)])


METHODS: dict[str, Callable[[Problem], Plan]] = {"baseline": baseline, "ml3": ml3, "adalfl": adalfl}


def plan(method: str, problem: Problem) -> Plan:
    """The method called `method` on `problem`."""
    one_of("method", method, list(METHODS))
    return METHODS[method](problem)
