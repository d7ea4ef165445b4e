"""The model at its best look."""

import math
from typing import Any, NamedTuple

import torch

from ..errors import UserError
from ..method import State
from ..trees import map_tree, named, refill
from ..types import Tensors


class Snapshot(NamedTuple):
    """What a run leaves of a state: the model, its buffers, and what was learned beside it (None for nothing)."""

    theta: Tensors
    buffers: Tensors
    phi: Tensors | None


class Best(NamedTuple):
    """The best look so far.

    Args:
        step: of the model, at which it was.
        score: what looks are compared by; the least is the best.
        model: as it was there.
    """

    step: int
    score: float
    model: Snapshot

    def tensors(self) -> Tensors:
        """All of it, by name."""
        facts = {"step": torch.tensor(self.step), "score": torch.tensor(self.score, dtype=torch.float64)}
        return {f"model{name}": t for name, t in named(self.model).items()} | facts


def snapshot(state: State) -> Snapshot:
    """What a run leaves of a state, in the state's own tensors."""
    return Snapshot(state.theta, state.carry.buffers, state.phi)


def better(best: Best | None, step: int, score: float, state: State) -> Best:
    """The better of the best look so far and a new one; the earlier of equals. A score that is no number is worst.

    Args:
        best: so far; None before the first look.
        step, score, state: of the new look.
    """
    score = math.inf if math.isnan(score) else score
    if best is not None and score >= best.score:
        return best
    return Best(step, score, map_tree(_copy, snapshot(state)))


def _copy(leaf: Any) -> Any:
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf  # phi may be None


def best_of(tensors: Tensors, like: Snapshot, where: str) -> Best | None:
    """What `Best.tensors` gave; None where there is nothing.

    Args:
        tensors: by name.
        like: a model of the same shapes, on the device to go on.
        where: they were read, for the error.

    Raises:
        UserError: they are of another model.
    """
    if not tensors:
        return None
    wanted = {f"model{name}": t for name, t in named(like).items()}
    facts = {"step": torch.tensor(0), "score": torch.tensor(0.0, dtype=torch.float64)}
    if {name: (t.shape, t.dtype) for name, t in tensors.items()} != {
        name: (t.shape, t.dtype) for name, t in (wanted | facts).items()
    }:
        raise UserError(f"{where} has a best look of another model than config.json; it cannot be resumed.")
    model = {name.removeprefix("model"): tensors[name].to(t.device) for name, t in wanted.items()}
    return Best(int(tensors["step"]), float(tensors["score"]), refill(like, model))
