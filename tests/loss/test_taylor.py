"""Taylor losses against the polynomials written out, and as losses of any number of outputs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.loss.taylor import taylor_loss

NUMBERS = st.floats(-2, 2, width=32)


@settings(max_examples=50, deadline=None)
@given(st.lists(NUMBERS, min_size=8, max_size=8), NUMBERS, NUMBERS)
def test_cubic_is_its_polynomial_and_quadratic_the_first_three_terms(p: list[float], y: float, f: float) -> None:
    a1, a2, a3, a4, a5, a6, cy, cf = p
    quadratic = a1 * (f - cf) + a2 / 2 * (f - cf) ** 2 + a3 * (y - cy) * (f - cf)
    cubic = quadratic + a4 / 6 * (f - cf) ** 3 + a5 / 2 * (y - cy) * (f - cf) ** 2 + a6 / 2 * (y - cy) ** 2 * (f - cf)
    target, output, centre = (torch.tensor(t, dtype=torch.float64) for t in ([y], [f], [cy, cf]))
    for order, expected, count in ((2, quadratic, 3), (3, cubic, 6)):
        _, loss_fn = taylor_loss("regression", order=order, generator=torch.Generator())
        phi = {"coefficients": torch.tensor(p[:count], dtype=torch.float64), "centre": centre}
        assert float(loss_fn(phi, output, target)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("order", "count"), [(2, 5), (3, 8)])
def test_parameters_are_few_and_start_small(order: int, count: int) -> None:
    phi, _ = taylor_loss("classification", order=order, generator=torch.Generator().manual_seed(0))
    assert sum(t.numel() for t in phi.values()) == count
    assert not phi["centre"].any()
    assert 0 < phi["coefficients"].abs().max() < 0.5


def test_any_number_of_outputs_in_any_order() -> None:
    phi, loss_fn = taylor_loss("classification", order=3, generator=torch.Generator().manual_seed(0))
    outputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    targets, order = torch.tensor([0, 5, 2, 2]), torch.tensor([3, 1, 0, 5, 4, 2])
    moved = loss_fn(phi, outputs[:, order], torch.argsort(order)[targets])
    torch.testing.assert_close(moved, loss_fn(phi, outputs, targets))


def test_outputs_are_summed() -> None:
    outputs, targets = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 5, 2, 2])
    phi, loss_fn = taylor_loss("classification", order=2, generator=torch.Generator().manual_seed(0))
    (a1, a2, a3), f = phi["coefficients"], outputs.softmax(1)
    expected = a1 + a2 / 2 * (f**2).sum(1) + a3 * f[torch.arange(4), targets]  # about zero; probabilities sum to 1
    torch.testing.assert_close(loss_fn(phi, outputs, targets), expected)


def test_unknown_orders_are_named() -> None:
    with pytest.raises(lfl.UserError, match="unknown order '4'; choose one of: 2, 3"):
        taylor_loss("regression", order=4, generator=torch.Generator())
