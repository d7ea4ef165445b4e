"""Scaling: learned from train alone, exact where numbers are large, small, missing or far from zero."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.data.scaling import range_of, scale_of


def test_scale_goes_both_ways() -> None:
    x = 1e6 + torch.randn(200, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scale = scale_of(x)
    torch.testing.assert_close(scale.back(scale(x)), x, rtol=0, atol=1e-6)


def test_scale_is_that_of_train_alone() -> None:
    g = torch.Generator().manual_seed(0)
    train, test = 3.0 + 2.0 * torch.randn(2500, 3, generator=g), torch.full((4, 3), 100.0)
    train[:, 2] = 7.0
    scale = scale_of(train)
    torch.testing.assert_close(scale(train)[:, :2].mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(scale(train)[:, :2].std(0, correction=0), torch.ones(2))
    assert not scale(train)[:, 2].any()  # constant in train: centred, not divided by zero
    assert float(scale(test)[0, 2]) == 93.0


def test_images_have_one_scale_a_channel() -> None:
    images = (
        torch.rand(50, 3, 4, 5, generator=torch.Generator().manual_seed(0))
        * torch.tensor([1.0, 5.0, 9.0])[:, None, None]
    )
    scaled = scale_of(images)(images)
    expected = (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(scaled, expected)


def test_missing_values_do_not_count_and_become_the_mean() -> None:
    whole, holes = torch.tensor([[1.0], [5.0], [3.0]]), torch.tensor([[1.0], [float("nan")], [5.0], [3.0]])
    assert torch.equal(scale_of(holes).mean, scale_of(whole).mean)
    assert torch.equal(scale_of(holes).deviation, scale_of(whole).deviation)
    assert scale_of(holes)(holes)[1].item() == 0.0
    empty = torch.full((3, 1), float("nan"))
    assert not scale_of(empty)(empty).any()


def test_unit_range_spans_train_and_may_be_left_by_others() -> None:
    train = torch.tensor([[2.0], [6.0], [4.0]])
    span = range_of(train)
    assert span(train).flatten().tolist() == [0.0, 1.0, 0.5]
    assert span(torch.tensor([[8.0]])).item() == 1.5
    assert span.back(span(train)).flatten().tolist() == [2.0, 6.0, 4.0]


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-12, 1e12), st.sampled_from([0.0, 1.7e9, -3e5]), st.integers(0, 2**31))
def test_columns_far_from_zero_keep_their_digits(spread: float, far: float, seed: int) -> None:
    """Against exact fractions."""
    spread = max(spread, abs(far) * 1e-9)
    values = (far + spread * np.random.default_rng(seed).normal(size=200)).tolist()
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / 200
    deviation = math.sqrt(sum((value - mean) ** 2 for value in exact) / 200)
    expected = [float(value - mean) / deviation for value in exact]
    x = torch.tensor(values, dtype=torch.float64)[:, None]
    torch.testing.assert_close(scale_of(x)(x)[:, 0], torch.tensor(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1.0, 1e200, 1e305])
def test_numbers_whose_squares_no_double_holds_are_scaled(size: float) -> None:
    x = torch.tensor([[-3.0], [1.0], [2.0]], dtype=torch.float64)
    torch.testing.assert_close(scale_of(x * size)(x * size), scale_of(x)(x))


def test_a_constant_far_from_zero_is_only_centred() -> None:
    x = torch.full((1000, 1), 1e9 + 0.1, dtype=torch.float64)
    scale = scale_of(x)
    assert (scale.mean.item(), scale.deviation.item()) == (1e9 + 0.1, 1.0)
    assert not scale(x).any()


def test_numbers_that_cannot_be_scaled_are_named() -> None:
    huge = torch.tensor([[1.7e308], [-1.7e308], [1.6e308]], dtype=torch.float64)
    with pytest.raises(lfl.UserError, match="too large to be scaled"):
        scale_of(huge.repeat(2, 1).abs())
    scale = scale_of(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    with pytest.raises(lfl.UserError, match="input 1 of row 2 lies too far from the others"):
        scale(torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 1e300]], dtype=torch.float64))


@pytest.mark.parametrize("column", [[1.0, 1.0, 1.0], [-1.7e308, 1.7e308, 0.0]])
def test_real_targets_without_a_range_are_named(column: list[float]) -> None:
    y = torch.tensor([[0.0, value] for value in column], dtype=torch.float64)
    y[0, 0] = 1.0
    with pytest.raises(lfl.UserError, match=r"targets \(column 1\) go from"):
        range_of(y)


def test_a_target_far_beyond_those_of_train_is_named() -> None:
    span = range_of(torch.tensor([[0.0], [1.0]]))
    with pytest.raises(lfl.UserError, match="target 0 of row 1 lies too far"):
        span(torch.tensor([[0.5], [1e300]], dtype=torch.float64))
