"""Values that a model treats as constants: forward mode agrees with autograd, a finite difference refuses."""

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl

from .cases import RECORDER, double_backward

RATE = 0.5


class Scaled(nn.Module):
    """Divides by the batch's deviation, which is taken for a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.first(x))
        with torch.no_grad():
            deviation = x.std(0) + 0.1
        return self.last(x / deviation)


class FixedPoint(Scaled):
    """Finds an equilibrium without gradients, and differentiates one more step of it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        z = torch.zeros_like(x)
        with torch.no_grad():
            for _ in range(5):
                z = torch.tanh(0.3 * z + x)
        return self.last(torch.tanh(0.3 * z + x))


class SelfConditioned(Scaled):
    """Sees its own first guess."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.first(x) + self.guess(x)))

    @torch.no_grad()
    def guess(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.first(x))


class MovingAverage(Scaled):
    """Updates a buffer in place, and uses it in the same pass."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        with torch.no_grad():
            self.centre.mul_(0.5).add_(0.5 * x.mean(0))
        return self.last(torch.tanh(x - self.centre))


class FrozenNorm(Scaled):
    """Batch norm without gradients, beside batch norm with them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        with torch.no_grad():
            constant = F.batch_norm(x, None, None, training=True)
        return self.last(torch.tanh(self.norm(x) + constant))


class Detached(Scaled):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.first(x))
        return self.last(x / (x.detach().std(0) + 0.1))


MODELS = [Scaled, FixedPoint, SelfConditioned, MovingAverage, FrozenNorm, Detached]


class All(nn.Module):
    """One model of them all, since compiling takes long."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(model() for model in MODELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([part(x) for part in self.parts]).tanh().sum(0)


def problem(model: type[nn.Module]) -> tuple[nn.Module, Any, Any, list[Any]]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = model().double()
    g = torch.Generator().manual_seed(1)
    phi, loss_fn = lfl.loss_network("classification", gain=2.0, generator=g, dtype=torch.float64)
    batches = [
        (torch.randn(8, 5, generator=g, dtype=torch.float64), torch.randint(3, (8,), generator=g)) for _ in range(3)
    ]
    return module, phi, loss_fn, batches


def gradient_by(name: str, module: nn.Module, phi: Any, loss_fn: Any, batches: list[Any], num_steps: int) -> Any:
    theta, _, apply_fn = lfl.functional(module)
    carry = lfl.fresh_carry(theta, phi, apply_fn=apply_fn, inner=lfl.sgd(RATE), outer=RECORDER)

    def step(theta: Any, phi: Any, carry: Any, batches: Any, batch_val: Any) -> Any:
        return lfl.meta_step(
            theta,
            phi,
            batches,
            batch_val,
            carry,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(RATE),
            outer=RECORDER,
            hypergradient=name.removesuffix(" compiled"),
        )[2].outer

    run = step
    if name.endswith("compiled"):
        torch.compiler.reset()  # it counts recompilations of one function, of all models together
        run = torch.compile(step, fullgraph=True, backend="aot_eager")
    return run(theta, phi, carry, batches[:num_steps], batches[2])


COMPILED = [pytest.param(All, num_steps, "mixed compiled", marks=pytest.mark.slow) for num_steps in (1, 2)]


@pytest.mark.parametrize(("model", "num_steps", "name"), [*product(MODELS, (1, 2), ("mixed", "unroll")), *COMPILED])
def test_what_runs_without_gradients_is_a_constant(model: type[nn.Module], num_steps: int, name: str) -> None:
    """Held against autograd's double backward on a deep copy."""
    module, phi, loss_fn, batches = problem(model)
    found = gradient_by(name, module, phi, loss_fn, batches, num_steps)
    wanted = double_backward(module, phi, loss_fn, batches[:num_steps], batches[2], RATE)
    scale = max(float(t.abs().max()) for t in wanted)
    for a, b in zip(found.values(), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12 * scale)


def test_the_caller_may_have_switched_gradients_off() -> None:
    module, phi, loss_fn, batches = problem(Scaled)
    wanted = gradient_by("mixed", module, phi, loss_fn, batches, 2)
    with torch.no_grad():
        found = gradient_by("mixed", module, phi, loss_fn, batches, 2)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor)
        assert not found[name].requires_grad


@pytest.mark.parametrize("model", [Scaled, MovingAverage, Detached])
def test_a_finite_difference_refuses_constants(model: type[nn.Module]) -> None:
    module, phi, loss_fn, batches = problem(model)
    with pytest.raises(lfl.UserError, match=r"treats values as constants.*choose hypergradient='mixed'"):
        gradient_by("finite-difference", module, phi, loss_fn, batches, 1)


def test_a_finite_difference_takes_models_without_constants() -> None:
    module, phi, loss_fn, batches = problem(Scaled)
    module = nn.Sequential(module.first, nn.BatchNorm1d(8), nn.GELU(), module.last).double()
    wanted = double_backward(module, phi, loss_fn, batches[:2], batches[2], RATE)
    found = gradient_by("finite-difference", module, phi, loss_fn, batches, 2)
    scale = max(float(t.abs().max()) for t in wanted)
    for a, b in zip(found.values(), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * scale)
