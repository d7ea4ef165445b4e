"""The checks around a step: they see what they are for, and stand aside inside transforms."""

import pytest
import torch

import lfl
from lfl.step.guard import guarded, in_transform


def test_a_draw_from_the_global_generator_is_seen() -> None:
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(2, 2))
    batch = (torch.zeros(1, 2), torch.zeros(1, 2))
    with torch.random.fork_rng():
        with (
            pytest.raises(lfl.UserError, match="draws random numbers"),
            guarded(apply_fn, theta, buffers, batch, watch_randomness=True),
        ):
            torch.rand(1)
        with guarded(apply_fn, theta, buffers, batch, watch_randomness=False):
            torch.rand(1)
    with guarded(apply_fn, theta, buffers, batch, watch_randomness=True):
        torch.rand(1, generator=torch.Generator())


def test_transforms_are_recognised() -> None:
    seen: list[bool] = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(in_transform())
        return x.sum()

    look(torch.zeros(1))
    torch.func.grad(look)(torch.zeros(1))
    torch.func.vmap(look)(torch.zeros(1, 1))
    assert seen == [False, True, True]
