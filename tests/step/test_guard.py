"""The checks around a step: they see what they are for, and stand aside inside transforms."""

import pytest
import torch

import lfl
from lfl.step.guard import in_transform, no_random_draws, no_writes


def test_a_draw_from_the_global_generator_is_seen() -> None:
    with torch.random.fork_rng(), pytest.raises(lfl.UserError, match="draws random numbers"), no_random_draws():
        torch.rand(1)
    with no_random_draws():
        torch.rand(1, generator=torch.Generator())


def test_a_write_in_place_is_seen_and_named() -> None:
    theta, x = {"w": torch.ones(2)}, torch.ones(2)
    with no_writes(theta, [(x, x)]):
        theta["w"] * x
    with pytest.raises(lfl.UserError, match=r"theta\['w'\] is written to in place"), no_writes(theta, [(x, x)]):
        theta["w"].clamp_(max=0.5)
    with pytest.raises(lfl.UserError, match="input x is written to in place"), no_writes(theta, [(x, x)]):
        x.relu_()


def test_transforms_are_recognised() -> None:
    seen: list[bool] = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(in_transform())
        return x.sum()

    look(torch.zeros(1))
    torch.func.grad(look)(torch.zeros(1))
    torch.func.vmap(look)(torch.zeros(1, 1))
    assert seen == [False, True, True]
