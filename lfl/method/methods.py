"""The methods that are compared: what each learns beside the model, and its phases."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
        defaults: settings that are the method's own, in place of the task's; each can be asked for otherwise.
    """

    learns_loss: bool
    learns_rate: bool
    phases: Callable[[Problem], list[Phase]]
    defaults: Mapping[str, Any] = {}


def train_only(problem: Problem) -> list[Phase]:
    """Train, with nothing learned beside the model."""
    return [fixed_phase(problem)]


def offline_only(problem: Problem) -> list[Phase]:
    """Learn phi offline (Algorithm 1 or 3), then train with it as it stands."""
    return [offline_phase(problem), fixed_phase(problem)]


def offline_and_online(problem: Problem) -> list[Phase]:
    """Learn phi offline, and go on learning it while the model trains (Algorithms 1 and 2, or 3 and 4)."""
    return [offline_phase(problem), online_phase(problem)]


JUDGED_ON_VALID = {"offline_objective": "valid"}
"""On the batch that a step has just seen, the rate of the longest step wins, however badly it generalises."""

RESIDUAL = {
    "loss": "residual",
    "offline_steps": 0,
    "outer_lr": 1e-2,
    "meta_every": 10,
    "outer_schedule": "model",
    "schedule": "cosine",
    "momentum": 0.9,
    "clip_norm": 1.0,
}
"""The loss starts at one made by hand, so that nothing has to be learned offline; what it learns then has to come
within one training, which takes a larger rate. Adam divides by the size of the gradient, which shrinks with the model's
rate: a loss whose own rate stays would wander at full speed at the end. A step of the loss for ten of the model, ten
times as long, learns as well as one for each (docs/value.md); with another `meta_every` the rate changes with it."""

METHODS: dict[str, Method] = {
    "baseline": Method(False, False, train_only),
    "ml3": Method(True, False, offline_only),
    "meta-lr": Method(False, True, offline_and_online, JUDGED_ON_VALID),
    "adalfl": Method(True, False, offline_and_online),
    "adalfl+lr": Method(True, True, offline_and_online),
    "residual": Method(True, False, offline_and_online, RESIDUAL),
    "fixed": Method(True, False, train_only),
}


def plan(method: str, problem: Problem) -> Plan:
    """The method called `method` on `problem`."""
    one_of("method", method, list(METHODS))
    return Plan(first_state(problem), METHODS[method].phases(problem))
