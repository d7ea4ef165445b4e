"""The cases that every form of the hypergradient is held against: model, inner optimiser, kind of target, phi."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._pytree import tree_leaves

import lfl
from lfl.hypergradient import Bilevel
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
LABELS = {"multilabel": (3, lfl.binary_cross_entropy)}
HELD = ("loss", "rate", "both")
"""What phi holds."""

RECORDER = Optimiser(lambda phi: phi, lambda grads, state, phi, lr=None: (phi, grads))
"""Leaves phi where it is and keeps the gradient as its state, free of the rounding of an update."""


class Case(NamedTuple):
    module: nn.Module
    theta: dict[str, torch.Tensor]
    phi: Any
    batch_tr: tuple[Any, ...]
    batch_val: tuple[Any, ...]
    carry: lfl.Carry
    kwargs: dict[str, Any]


def make_case(
    model: str,
    optimiser: str,
    kind: str,
    dtype: torch.dtype,
    batch_size: int = 12,
    held: str = "loss",
    module: nn.Module | None = None,
) -> Case:
    """A small problem in mid-run: optimiser states filled by two steps, running statistics moved."""
    g = generator(0, f"{model} {kind}")
    width, task_loss = (KINDS | LABELS)[kind]
    if module is None:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            module = MODELS[model](width).to(dtype)
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = lfl.loss_network(kind, gain=2.0, generator=g, dtype=dtype)

    def batch() -> tuple[Any, ...]:
        x = torch.randn(batch_size, 5, generator=g, dtype=dtype)
        y = targets(kind, batch_size, width, g, dtype)
        specs = lfl.mask_specs(apply_fn, theta, x)
        return (x, y, lfl.draw_masks(specs, g)) if specs else (x, y)

    inner, outer = OPTIMISERS[optimiser](), RECORDER
    phi, functions = holding(held, phi, loss_fn, task_loss, dtype)
    kwargs = {"apply_fn": apply_fn, "task_loss": task_loss, "inner": inner, "outer": outer, **functions}
    carry = lfl.fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)
    for _ in range(2):
        theta, _, carry, _ = lfl.meta_step(theta, phi, batch(), batch(), carry, **kwargs, hypergradient="unroll")
    return Case(module, theta, phi, batch(), batch(), carry, kwargs)


def targets(kind: str, batch_size: int, width: int, g: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    """Class ids, labels of 0 and 1, or real values."""
    if kind == "regression":
        return torch.randn(batch_size, width, generator=g, dtype=dtype)
    if kind == "multilabel":
        return torch.randint(2, (batch_size, width), generator=g)
    return torch.randint(width, (batch_size,), generator=g)


def holding(held: str, loss: Any, loss_fn: Any, task_loss: Any, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
    """phi that holds a loss, a rate (beside the task's own loss), or both; and the functions that read it."""
    rate = torch.tensor(0.1, dtype=dtype)
    if held == "loss":
        return loss, {"loss_fn": loss_fn}
    if held == "rate":
        return rate, {"loss_fn": lambda phi, outputs, y: task_loss(outputs, y), "inner_lr": lambda phi: phi}
    return {"loss": loss, "rate": rate}, {
        "loss_fn": lambda phi, outputs, y: loss_fn(phi["loss"], outputs, y),
        "inner_lr": lambda phi: phi["rate"],
    }


def phi_gradient(case: Case, hypergradient: Any = "unroll") -> Any:
    """The phi-gradient of one step."""
    return lfl.meta_step(*case[1:6], **case.kwargs, hypergradient=hypergradient)[2].outer


def double_backward(
    module: nn.Module, phi: Any, loss_fn: Any, batches: list[Any], batch_val: Any, lr: float
) -> tuple[torch.Tensor, ...]:
    """The gradient of phi by autograd alone: steps of gradient descent on a deep copy, and backward through them."""
    alone = copy.deepcopy(module)
    leaves = {name: t.clone().requires_grad_() for name, t in phi.items()}
    theta = dict(alone.named_parameters())
    for x, y in batches:
        outputs = torch.func.functional_call(alone, theta, (x,))
        loss = loss_fn(leaves, outputs, y).mean()
        grads = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
        theta = {name: p - lr * g for (name, p), g in zip(theta.items(), grads, strict=True)}
    outputs = torch.func.functional_call(alone, theta, (batch_val[0],))
    return torch.autograd.grad(F.cross_entropy(outputs, batch_val[1]), list(leaves.values()))


def form(function: Callable[..., Any], case: Case, num_steps: int = 1) -> Callable[..., Any]:
    """A form of the hypergradient on some batches, as a function of theta, phi and carry."""
    batches = [case.batch_tr, case.batch_val, case.batch_tr][:num_steps]
    problem = Bilevel(**{name: value for name, value in case.kwargs.items() if name != "outer"})
    return lambda theta, phi, carry: function(problem, theta, phi, batches, case.batch_val, carry.inner, carry.buffers)


def assert_close(a: Any, b: Any, rtol: float = 1e-9) -> None:
    """Equal to `rtol` on the scale of the whole tree: Adam turns the rounding of a gradient that is zero (a bias
    before batch norm) into a step."""
    scale = max(float(y.abs().max()) for y in tree_leaves(b))
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        torch.testing.assert_close(x, y, rtol=rtol, atol=0.1 * rtol * scale)
