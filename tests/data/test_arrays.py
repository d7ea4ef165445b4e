"""Splits and scaling: nothing lost, nothing leaked."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.data.arrays import Split, hold_out, range_of, scale_of


@settings(max_examples=25, deadline=None)
@given(st.integers(40, 300), st.floats(0.1, 0.5), st.booleans())
def test_hold_out_parts_every_row_once_and_the_same_way_each_time(n: int, fraction: float, stratified: bool) -> None:
    rows = Split(torch.arange(n)[:, None].float(), torch.arange(n) % 4)
    kept, held = hold_out(rows, fraction, stratified=stratified)
    assert sorted(torch.cat([kept.x, held.x]).flatten().tolist()) == list(range(n))
    assert len(held.y) == int(np.ceil(n * fraction))
    again = hold_out(rows, fraction, stratified=stratified)
    assert torch.equal(again[1].x, held.x)
    if stratified:
        shares = torch.bincount(held.y, minlength=4) / len(held.y)
        assert float((shares - torch.bincount(rows.y) / n).abs().max()) <= 1.5 / len(held.y)


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
