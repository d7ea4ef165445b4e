"""The methods that are compared: what each learns beside the model, and its phases."""

from collections.abc import Callable
from typing import NamedTuple

from ..errors import one_of
from .phases import Phase, first_state, fixed_phase, offline_phase, online_phase
from .problem import Problem, State


class Plan(NamedTuple):
    """A method on a problem: where it starts, and its phases in order."""

    state: State
    phases: list[Phase]


class Method(NamedTuple):
    """What is learned beside the model, and how.

    Args:
        learns_loss, learns_rate: what phi holds: a loss network (or another representation), the learning rate.
        phases: of a problem, in order.
        init_objective: what its offline steps judge phi on by default, `"train"` or `"valid"`. On the batch that a step
            has just seen, the rate of the longest step wins, however badly it generalises.
    """

    learns_loss: bool
    learns_rate: bool
    phases: Callable[[Problem], list[Phase]]
    init_objective: str = "train"


def train_only(problem: Problem) -> list[Phase]:
    """Train, with nothing learned beside the model."""
    return [fixed_phase(problem)]


def offline_only(problem: Problem) -> list[Phase]:
    """Learn phi offline (Algorithm 1 or 3), then train with it as it stands."""
    return [offline_phase(problem), fixed_phase(problem)]


def offline_and_online(problem: Problem) -> list[Phase]:
    """Learn phi offline, and go on learning it while the model trains (Algorithms 1 and 2, or 3 and 4)."""
    return [offline_phase(problem), online_phase(problem)]


METHODS: dict[str, Method] = {
    "baseline": Method(False, False, train_only),
    "ml3": Method(True, False, offline_only),
    "meta-lr": Method(False, True, offline_and_online, init_objective="valid"),
    "adalfl": Method(True, False, offline_and_online),
    "adalfl+lr": Method(True, True, offline_and_online),
    "fixed": Method(True, False, train_only),
}


def plan(method: str, problem: Problem) -> Plan:
    """The method called `method` on `problem`."""
    one_of("method", method, list(METHODS))
    return Plan(first_state(problem), METHODS[method].phases(problem))
