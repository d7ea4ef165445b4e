"""The network of an error: the same wherever the target lies, and bounded in its slope."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.loss.error_network import UNIT, error_network
from lfl.randomness import generator

VALUES = st.floats(-3.0, 3.0)


@given(VALUES, VALUES, VALUES)
@settings(max_examples=50, deadline=None)
def test_it_is_a_function_of_the_error_alone(target: float, error: float, other: float) -> None:
    phi, loss_fn = error_network(gain=1.0, generator=generator(0, "phi"))
    phi = {name: t.double() for name, t in phi.items()}
    a, b = (torch.tensor([y], dtype=torch.float64) for y in (target, other))
    torch.testing.assert_close(loss_fn(phi, a + error, a), loss_fn(phi, b + error, b), rtol=1e-9, atol=1e-9)


def test_it_is_a_network_of_tanh_units() -> None:
    phi, loss_fn = error_network(gain=1.0, generator=generator(0, "phi"))
    phi = {name: t + 0.1 if "bias" in name else t for name, t in phi.items()}
    net = torch.nn.Sequential(
        torch.nn.Linear(1, 40),
        torch.nn.Tanh(),
        torch.nn.Linear(40, 40),
        torch.nn.Tanh(),
        torch.nn.Linear(40, 1, bias=False),
    )
    net.load_state_dict({f"{2 * int(name[0])}{name[1:]}": t for name, t in phi.items()})
    f, y = torch.randn(2, 6, 3, generator=generator(1, "values"))
    expected = net((f - y).reshape(-1, 1) / UNIT).reshape(6, 3).mean(1)
    torch.testing.assert_close(loss_fn(phi, f, y), expected)


@pytest.mark.parametrize("error", [1e4, -1e4])
def test_far_errors_are_all_alike(error: float) -> None:
    """Its slope goes to nothing, so that the base alone says what a far outlier costs."""
    phi, loss_fn = error_network(gain=1.0, generator=generator(0, "phi"))
    slope = torch.func.grad(lambda f: loss_fn(phi, f, torch.zeros(1)).sum())(torch.tensor([error]))
    assert abs(float(slope)) < 1e-6
