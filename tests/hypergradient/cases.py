"""The cases that every form of the hypergradient is held against: model, inner optimiser, kind of target."""

from typing import Any, NamedTuple

import torch
from torch import nn

import lfl
from lfl.optimiser import Optimiser
from lfl.randomness import generator

MODELS = {
    "plain": lambda width: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, width)),
    "batch norm": lambda width: nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, width)),
    "dropout": lambda width: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, width)),
}
OPTIMISERS = {
    "sgd": lambda: lfl.sgd(0.3),
    "nesterov": lambda: lfl.sgd(0.2, momentum=0.9, nesterov=True, weight_decay=0.05),
    "adam": lambda: lfl.adam(0.05),
}
KINDS = {"classification": (4, lfl.cross_entropy), "regression": (3, lfl.squared_error)}


RECORDER = Optimiser(lambda phi: phi, lambda grads, state, phi, lr=None: (phi, grads))
"""Leaves phi where it is and keeps the gradient as its state, free of the rounding of an update."""


class Case(NamedTuple):
    module: nn.Module
    theta: dict[str, torch.Tensor]
    phi: dict[str, torch.Tensor]
    batch_tr: tuple[Any, ...]
    batch_val: tuple[Any, ...]
    carry: lfl.Carry
    kwargs: dict[str, Any]


def make_case(model: str, optimiser: str, kind: str, dtype: torch.dtype, batch_size: int = 12) -> Case:
    """A small problem in mid-run: optimiser slots filled by two steps, running statistics moved."""
    g = generator(0, f"{model} {kind}")
    width, task_loss = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = MODELS[model](width).to(dtype)
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = lfl.loss_network(kind, gain=2.0, generator=g, dtype=dtype)

    def batch() -> tuple[Any, ...]:
        x = torch.randn(batch_size, 5, generator=g, dtype=dtype)
        y = (
            torch.randint(width, (batch_size,), generator=g)
            if kind == "classification"
            else torch.randn(batch_size, width, generator=g, dtype=dtype)
        )
        specs = lfl.mask_specs(apply_fn, theta, x)
        return (x, y, lfl.draw_masks(specs, g)) if specs else (x, y)

    inner, outer = OPTIMISERS[optimiser](), RECORDER
    kwargs = {
        "apply_fn": apply_fn,
        "loss_fn": loss_fn,
        "task_loss": task_loss,
        "inner": inner,
        "outer": outer,
    }
    carry = lfl.fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)
    for _ in range(2):
        theta, _, carry, _ = lfl.meta_step(theta, phi, batch(), batch(), carry, **kwargs)
    return Case(module, theta, phi, batch(), batch(), carry, kwargs)


def phi_gradient(case: Case, hypergradient: str = "unroll") -> dict[str, torch.Tensor]:
    """The phi-gradient of one step."""
    return lfl.meta_step(*case[1:6], **case.kwargs, hypergradient=hypergradient)[2].outer
