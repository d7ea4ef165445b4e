"""RMSprop's settings; its numbers and derivatives are in test_optimisers.py."""

import pytest
import torch

import lfl


@pytest.mark.parametrize("settings", [{"alpha": 1.0}, {"lr": -1.0}, {"momentum": -0.1}, {"eps": float("nan")}])
def test_bad_settings_are_named(settings: dict[str, float]) -> None:
    with pytest.raises(lfl.UserError, match=rf"^{next(iter(settings))} must be"):
        lfl.rmsprop(**({"lr": 0.1} | settings))


def test_a_slot_is_there_only_where_it_is_used() -> None:
    theta = {"w": torch.ones(2)}
    assert lfl.rmsprop(0.1).init(theta)[1:] == ({}, {})
    state = lfl.rmsprop(0.1, momentum=0.9, centered=True).init(theta)
    assert all(torch.equal(slot["w"], torch.zeros(2)) for slot in state)
