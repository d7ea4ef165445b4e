"""A model's own autograd Functions are found in its code and in its graph, and a compiler is kept away from them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import lfl
from lfl.model.custom_gradients import CustomGradients, custom_gradients, functions_that_ran


class Rounded(torch.autograd.Function):
    """Rounding with the derivative of the identity, which is not that of its forward pass."""

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.round(4.0 * x) / 4.0

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


def rounded(x: torch.Tensor) -> torch.Tensor:
    return Rounded.apply(x)


class Direct(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Rounded.apply(x)


class ByFunction(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.quantise(x)

    def quantise(self, x: torch.Tensor) -> torch.Tensor:
        return rounded(x)


class Held(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class ByName(nn.Module):
    """Out of reach of a search through the code."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return globals()["Roun" + "ded"].apply(x)


@pytest.mark.parametrize(
    "layer", [Direct(), ByFunction(), Held(Rounded.apply), Held(rounded), Held(lambda x: rounded(x))]
)
def test_functions_are_found_in_the_code(layer: nn.Module) -> None:
    assert custom_gradients(nn.Sequential(nn.Linear(2, 2), layer)) == CustomGradients(("Rounded",))
    assert lfl.functional(layer)[2].custom_gradients.functions == ("Rounded",)


def test_torchs_own_code_has_none() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.TransformerEncoderLayer(4, 2), nn.LSTM(3, 3))
    assert custom_gradients(module) == CustomGradients()


class Reversed(nn.Linear):
    """Turns the gradient round by a hook."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = super().forward(x)
        x.register_hook(torch.neg)
        return x


class SecretlyReversed(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = super().forward(x)
        getattr(x, "register" + "_hook")(torch.neg)
        return x


@pytest.mark.parametrize("num_steps", [1, 2])
@pytest.mark.parametrize("hypergradient", ["unroll", "mixed"])
def test_hooks_on_gradients_are_refused(hypergradient: str, num_steps: int) -> None:
    """Forward mode does not see them, and through several steps reverse mode sees some of them."""
    with pytest.raises(lfl.UserError, match=r"Tensor\.register_hook.*torch\.autograd\.Function"):
        gradient(hypergradient, compiled=False, num_steps=num_steps, layer=Reversed(8, 8))


def test_hidden_hooks_are_refused_in_forward_mode() -> None:
    with pytest.raises(lfl.UserError, match=r"Tensor\.register_hook"):
        gradient("mixed", compiled=False, layer=SecretlyReversed(8, 8))


def test_functions_are_found_in_the_graph() -> None:
    x = torch.ones(2, requires_grad=True)
    assert functions_that_ran(ByName()(x.exp()).sum()) == ("Rounded",)
    assert functions_that_ran(x.exp().sum()) == ()


def gradient(hypergradient: str, compiled: bool, num_steps: int = 1, layer: nn.Module | None = None) -> Any:
    g = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), layer or Direct(), nn.Tanh(), nn.Linear(8, 3)).double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=g, dtype=torch.float64))
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = lfl.loss_network("classification", gain=2.0, generator=g, dtype=torch.float64)
    batch = torch.randn(5, 6, generator=g, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])

    def step(theta: Any, phi: Any, batch: Any) -> Any:
        return lfl.meta_step(
            theta,
            phi,
            [batch] * num_steps,
            batch,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.1),
            outer=lfl.sgd(1.0),
            hypergradient=hypergradient,
        )[1]

    torch.compiler.reset()
    return (torch.compile(step, backend="aot_eager", fullgraph=True) if compiled else step)(theta, phi, batch)


@pytest.mark.slow
@pytest.mark.parametrize("num_steps", [1, 2])
def test_a_compiled_step_keeps_a_functions_derivative_or_is_refused(num_steps: int) -> None:
    """torch's compiler takes the forward pass apart in forward mode, and would find the derivative of rounding: 0."""
    wanted = gradient("unroll", compiled=False, num_steps=num_steps)
    for name, found in gradient("auto", compiled=True, num_steps=num_steps).items():
        torch.testing.assert_close(found, wanted[name], rtol=1e-9, atol=1e-12)
    with pytest.raises(Exception, match=r"torch\.autograd\.Function.*choose 'unroll'"):
        gradient("mixed", compiled=True, num_steps=num_steps)


class OfNumPy(nn.Module):
    """Names NumPy and `str`, which NumPy warns of as a name of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(np.float64(str(2)))


def test_looking_for_them_makes_no_package_warn() -> None:
    assert custom_gradients(OfNumPy()) == CustomGradients((), False)
