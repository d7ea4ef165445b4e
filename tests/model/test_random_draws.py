"""Where a program is compiled, a model's random draws are refused while it is traced."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl


class Noisy(nn.Module):
    def __init__(self, noise: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.noise = nn.Linear(3, 4), nn.Linear(4, 2), noise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.noise(self.first(x)))


def step(module: nn.Module, hypergradient: str) -> dict[str, torch.Tensor]:
    """phi after a compiled step."""
    g = torch.Generator().manual_seed(0)
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = lfl.loss_network("classification", generator=g)
    batch = torch.randn(5, 3, generator=g), torch.tensor([0, 1, 0, 1, 1])
    torch.compiler.reset()

    @torch.compile(backend="eager", fullgraph=True)
    def program(theta, phi, batch):
        return lfl.meta_step(
            theta,
            phi,
            batch,
            batch,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.1),
            outer=lfl.adam(0.1),
            hypergradient=hypergradient,
        )[1]

    return program(theta, phi, batch)


@pytest.mark.slow
@pytest.mark.parametrize("hypergradient", ["unroll", "mixed"])
@pytest.mark.parametrize(
    "noise",
    [
        lambda x: x + torch.randn(5, 4),
        lambda x: x * torch.rand(4),
        lambda x: x + torch.zeros_like(x).normal_(),
        lambda x: F.gumbel_softmax(x),
        lambda x: F.dropout(x, 0.5),
    ],
)
def test_a_compiled_step_refuses_random_draws(noise, hypergradient: str) -> None:
    with pytest.raises(Exception, match=r"random numbers inside its forward pass|dropout call 1"):
        step(Noisy(noise), hypergradient)


@pytest.mark.slow
@pytest.mark.parametrize("hypergradient", ["unroll", "mixed"])
def test_a_model_without_them_is_compiled(hypergradient: str) -> None:
    assert all(bool(t.isfinite().all()) for t in step(Noisy(torch.tanh), hypergradient).values())
