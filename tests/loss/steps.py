"""One small problem in float64, its hypergradient by lfl, and the same by central differences."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import lfl

RATE, SIZE = 0.5, 1e-5
Tensors = dict[str, torch.Tensor]


@cache
def batches(kind: str, outputs: int = 3, count: int = 3) -> list[tuple[torch.Tensor, torch.Tensor]]:
    g = torch.Generator().manual_seed(5)

    def drawn() -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randn(12, 4, generator=g, dtype=torch.float64)
        if kind == "classification":
            return x, torch.randint(outputs, (12,), generator=g)
        return x, torch.randn(12, outputs, generator=g, dtype=torch.float64)

    return [drawn() for _ in range(count)]


def double(phi: Tensors) -> Tensors:
    return {name: t.double() for name, t in phi.items()}


@cache
def model(outputs: int = 3) -> tuple[Tensors, Any, Any]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return lfl.functional(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs)).double())


def task_loss(kind: str) -> Callable[..., torch.Tensor]:
    return lfl.cross_entropy if kind == "classification" else lfl.squared_error


def default_base(kind: str) -> Callable[..., torch.Tensor]:
    """What a learned loss starts from where no other base is asked for."""
    return lfl.cross_entropy if kind == "classification" else lfl.absolute_error


def hypergradient(form: str, phi: Tensors, loss_fn: Any, kind: str, num_steps: int = 1) -> Tensors:
    """The gradient of phi, read off a step of size 1."""
    theta, _, apply_fn = model()
    *train, valid = batches(kind, count=num_steps + 1)
    _, moved, _, _ = lfl.meta_step(
        theta,
        phi,
        train,
        valid,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=task_loss(kind),
        inner=lfl.sgd(RATE),
        outer=lfl.sgd(1.0),
        hypergradient=form,
    )
    return {name: phi[name] - moved[name] for name in phi}


def slope_by_differences(phi: Tensors, along: Tensors, loss_fn: Any, kind: str, num_steps: int = 1) -> float:
    """How the validation loss after plain steps of torch changes with phi along a direction."""
    *train, (x_val, y_val) = batches(kind, count=num_steps + 1)

    def after(size: float) -> float:
        phi_at = {name: t + size * along[name] for name, t in phi.items()}
        theta = {name: t.clone().requires_grad_() for name, t in model()[0].items()}

        def outputs(x: torch.Tensor) -> torch.Tensor:
            return F.linear(
                torch.tanh(F.linear(x, theta["0.weight"], theta["0.bias"])), theta["2.weight"], theta["2.bias"]
            )

        for x, y in train:
            grads = torch.autograd.grad(loss_fn(phi_at, outputs(x), y).mean(), list(theta.values()))
            theta = {
                n: (t - RATE * g).detach().requires_grad_() for (n, t), g in zip(theta.items(), grads, strict=True)
            }
        return float(task_loss(kind)(outputs(x_val), y_val).mean().detach())

    return (after(SIZE) - after(-SIZE)) / (2 * SIZE)


def check_hypergradient(phi: Tensors, loss_fn: Any, kind: str, num_steps: int = 1) -> None:
    """`unroll` and `mixed` agree with each other, and with central differences along random directions."""
    phi = double(phi)
    by_unroll = hypergradient("unroll", phi, loss_fn, kind, num_steps)
    by_mixed = hypergradient("mixed", phi, loss_fn, kind, num_steps)
    for name in phi:
        torch.testing.assert_close(by_unroll[name], by_mixed[name], rtol=1e-7, atol=1e-12)
    g = torch.Generator().manual_seed(7)
    for _ in range(3):
        along = {name: torch.randn(t.shape, generator=g, dtype=t.dtype) for name, t in phi.items()}
        expected = slope_by_differences(phi, along, loss_fn, kind, num_steps)
        found = float(sum((by_unroll[name] * along[name]).sum() for name in phi))
        assert abs(found) > 1e-6
        assert abs(found - expected) < 1e-6 * abs(expected) + 1e-9


def first_step(phi: Tensors, loss_fn: Any, kind: str, base: Any) -> tuple[Tensors, Tensors, Tensors]:
    """theta before a step, after one on the learned loss, and after one on the base."""
    theta, _, apply_fn = model()
    train, valid = batches(kind, count=2)
    shared = {"apply_fn": apply_fn, "task_loss": task_loss(kind), "inner": lfl.sgd(RATE)}
    learned, _, _, _ = lfl.meta_step(theta, double(phi), train, valid, loss_fn=loss_fn, outer=lfl.adam(1e-3), **shared)
    plain, _, _ = lfl.base_step(theta, train, loss=base, **shared)
    return theta, learned, plain
