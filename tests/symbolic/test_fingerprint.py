"""Fingerprints are closed-form slopes; they agree for losses that train alike, and for no others."""

import math

import pytest
import torch

import lfl
from lfl.symbolic import fingerprint, grid, read_formula, same, scale_between
from lfl.types import Kind


def of(text: str, kind: Kind = "classification") -> torch.Tensor:
    return fingerprint(read_formula(text), *grid(kind))


def test_grids_are_as_documented() -> None:
    y, f = grid("classification")
    assert (y.shape, f.shape, f.dtype) == ((66,), (66,), torch.float64)
    assert set(y.tolist()) == {0.0, 1.0}
    assert (f.min().item(), f.max().item()) == (1e-3, 0.999)
    y, f = grid("regression", -1.0, 3.0)
    assert len(set(zip(y.tolist(), f.tolist(), strict=True))) == 17 * 17
    assert (y.min(), y.max(), f.min(), f.max()) == (-1, 3, -1, 3)


def test_slopes_are_those_of_closed_forms() -> None:
    y, f = grid("classification")
    torch.testing.assert_close(of("abs(log(y*f))"), torch.where(y == 1, -1 / f, 0.0))
    torch.testing.assert_close(of("1.5*square(0.5*y - f)"), 3 * (f - 0.5 * y))
    assert not of("log(y)").any()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("square(y - f)", "f*f - 2*(y*f)"),
        ("abs(log(y*f))", "abs(log(y*f)) + 5"),
        ("y - y + log(f)", "log(f)"),
        ("square(f)", "f*f + 1e-9*f"),
        ("1", "y"),
    ],
)
def test_losses_that_train_alike_agree(first: str, second: str) -> None:
    assert same(of(first), of(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("log(square(1e-4*f))", "2*log(f)"),
        ("sqrt(square(f))", "tanh(f)"),
        ("square(f)", "f*f + 1e-4*f"),
        ("log(f)", "log(f) + 1e-5*f"),
        ("div(f, f)", "1"),
        ("y*f", "f"),
    ],
)
def test_losses_that_train_differently_do_not(first: str, second: str) -> None:
    assert not same(of(first), of(second))


def test_a_scale_is_reported_and_is_not_the_same() -> None:
    assert not same(of("square(y - f)"), of("3*square(y - f)"))
    assert scale_between(of("square(y - f)"), of("3*square(y - f)")) == pytest.approx(3, rel=1e-12)
    assert scale_between(of("square(y - f)"), of("-3*square(y - f)")) is None
    assert scale_between(of("square(y - f)"), of("abs(y - f)")) is None
    assert scale_between(of("y"), of("f")) is None
    assert scale_between(of("y"), of("1")) is None


def test_nothing_agrees_with_what_is_not_finite() -> None:
    for value in (math.nan, math.inf):
        broken = torch.tensor([1.0, value])
        assert not same(broken, broken)
        assert scale_between(broken, broken) is None


def test_ranges_and_kinds_are_checked() -> None:
    with pytest.raises(lfl.UserError, match=r"got 2\.0 to 1\.0"):
        grid("regression", 2.0, 1.0)
    with pytest.raises(lfl.UserError, match="unknown kind"):
        grid("ranking")  # type: ignore[arg-type]
