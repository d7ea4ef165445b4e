"""A gradient keeps what another derivative of it needs, whoever takes that derivative."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl
from lfl.hypergradient import gradient

from .cases import double_backward
from .test_directional import RATE, gradient_by, problem


class Cayley(nn.Module):
    """A linear map that is orthogonal by a Cayley transform."""

    def __init__(self) -> None:
        super().__init__()
        self.skew = nn.Parameter(0.3 * torch.randn(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skew, one = self.skew - self.skew.T, torch.eye(8, dtype=x.dtype)
        return torch.linalg.solve(one + skew, (one - skew) @ x.T).T


class Determinant(nn.Module):
    def __init__(self, of: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.weight, self.of = nn.Parameter(torch.eye(8) + 0.2 * torch.randn(8, 8)), of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight * self.of(self.weight)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "solve": Cayley,
    "slogdet": lambda: Determinant(lambda w: torch.linalg.slogdet(w)[1]),
    "det": lambda: Determinant(torch.linalg.det),
    "inverse": lambda: Determinant(lambda w: torch.linalg.inv(w).sum()),
    "group norm": lambda: nn.GroupNorm(2, 8),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "layer norm": lambda: nn.LayerNorm(8),
    "tanh": nn.Tanh,
}


@pytest.mark.parametrize("layer", LAYERS)
def test_several_steps_through_any_layer(layer: str) -> None:
    """`mixed` takes the derivative of gradients along a direction; held against double backward on a deep copy."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = nn.Sequential(nn.Linear(5, 8), LAYERS[layer](), nn.Linear(8, 3)).double()
    _, phi, loss_fn, batches = problem(nn.Identity)
    found = gradient_by("mixed", module, phi, loss_fn, batches, 2)
    wanted = double_backward(module, phi, loss_fn, batches[:2], batches[2], RATE)
    scale = max(float(t.abs().max()) for t in wanted)
    for a, b in zip(found.values(), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-11 * scale)


def test_a_callers_own_autograd_goes_through_a_step() -> None:
    """Against autograd on a deep copy: the loss after a step by the initial parameters takes second derivatives."""
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x, y = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 1, 0])
    theta, _, apply_fn = lfl.functional(module)
    theta = {name: t.requires_grad_() for name, t in theta.items()}
    after, _, _ = lfl.base_step(
        theta,
        (x, y),
        apply_fn=apply_fn,
        loss=lfl.cross_entropy,
        task_loss=lfl.cross_entropy,
        inner=lfl.sgd(RATE),
    )
    found = torch.autograd.grad(F.cross_entropy(apply_fn(after, {}, x)[0], y), list(theta.values()))

    alone = dict(copy.deepcopy(module).named_parameters())
    loss = F.cross_entropy(torch.func.functional_call(module, alone, (x,)), y)
    grads = torch.autograd.grad(loss, list(alone.values()), create_graph=True)
    stepped = {name: p - RATE * g for (name, p), g in zip(alone.items(), grads, strict=True)}
    last = F.cross_entropy(torch.func.functional_call(module, stepped, (x,)), y)
    wanted = torch.autograd.grad(last, list(alone.values()))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_a_plain_gradient_leaves_no_graph() -> None:
    def square(theta: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        return theta["w"].square().sum(), theta["w"]

    grads, _ = gradient(square, {"w": torch.tensor([3.0])})
    assert grads["w"].item() == 6.0
    assert not grads["w"].requires_grad
