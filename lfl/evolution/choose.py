"""Which evaluator is used where nobody chose one, as measured in benchmarks/results/evolution-lanes.json."""

from dataclasses import replace
from typing import Literal, NamedTuple

from ..errors import one_of
from ..task import Task
from ..training import Settings, build_functional
from ..training.compilation import compiler_is_there, vmap_pays
from .closures import closures
from .lanes import lanes
from .outcome import Evaluate
from .protocol import Protocol

MOST_LANES = 25
"""Models that step together where lanes pay: a population as published."""

ENOUGH_CANDIDATES = 50
"""Compiling takes up to half a minute on a slow core; from so many candidates on it pays for any model."""


class Evaluator(NamedTuple):
    """An evaluator by name, so that a search that is continued keeps it: they agree to rounding alone.

    Args:
        form: `"closures"` or `"lanes"`.
        num_lanes: of lanes; 1 for closures.
        compiled: whether the model's steps are compiled.
    """

    form: Literal["closures", "lanes"]
    num_lanes: int
    compiled: bool


def choose_evaluator(task: Task, settings: Settings, protocol: Protocol, *, candidates: int) -> Evaluator:
    """Chooses an evaluator by the device and the model's size, by rules that give the same each time.

    Args:
        task, settings, protocol: as of `closures`.
        candidates: how many will be evaluated, about.

    Returns:
        Lanes where models stacked step faster than one after the other: small ones on a CPU, all on a GPU; else
        closures.
    """
    shapes, apply_fn = build_functional(task, settings)
    device = task.device
    possible = compiler_is_there(device) and not apply_fn.custom_gradients.functions
    compiled = settings.compile == "on" or (settings.compile == "auto" and candidates >= ENOUGH_CANDIDATES and possible)
    if protocol.inner_steps > 1 or candidates < 2 or not vmap_pays(shapes, device):
        return Evaluator("closures", 1, compiled and protocol.inner_steps == 1)
    if device.type == "cpu":  # compiling gained nothing there: the losses, each by itself, take the time
        compiled = settings.compile == "on"
    return Evaluator("lanes", min(candidates, MOST_LANES), compiled)


def make_evaluator(task: Task, settings: Settings, protocol: Protocol, evaluator: Evaluator) -> Evaluate:
    """Makes the evaluator that was chosen.

    Args:
        task, settings, protocol: as of `closures`.
        evaluator: from `choose_evaluator`, or from a search's file.

    Raises:
        UserError: an unknown form, or as `closures` and `lanes`.
    """
    one_of("evaluator", evaluator.form, ["closures", "lanes"])
    settings = replace(settings, compile="on" if evaluator.compiled else "off")
    if evaluator.form == "closures":
        return closures(task, settings, protocol)
    return lanes(task, settings, protocol, evaluator.num_lanes)


def default_evaluator(
    task: Task, settings: Settings, protocol: Protocol | None = None, *, candidates: int = 1250
) -> Evaluate:
    """Makes the evaluator that was measured to be fastest for a device and a model.

    Args:
        task, settings, protocol: as of `closures`.
        candidates: how many will be evaluated, about; for few, nothing is compiled.

    Raises:
        UserError: as `closures` and `lanes`.
    """
    protocol = protocol or Protocol()
    return make_evaluator(task, settings, protocol, choose_evaluator(task, settings, protocol, candidates=candidates))
