"""Splits: no row is lost, a digest names the rows, and batches belong to a seed, a stream and a step."""

import hashlib
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.data.splits import Split, digest_of, draw_rows, held_out, hold_out

X, Y = torch.arange(24.0).view(6, 4), torch.arange(6)


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


@settings(max_examples=25, deadline=None)
@given(st.integers(40, 300), st.integers(4, 30), st.booleans())
def test_row_numbers_are_those_of_the_rows(n: int, size: int, stratified: bool) -> None:
    rows = Split(torch.arange(n)[:, None].float(), torch.arange(n) % 4)
    numbers = held_out(rows.y, size, stratified=stratified)
    for part, found in zip(hold_out(rows, size, stratified=stratified), numbers, strict=True):
        assert found.tolist() == part.x.flatten().tolist() == sorted(found.tolist())
    assert len(numbers[1]) == size


def test_a_digest_is_that_of_the_bytes() -> None:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (X, Y):
        digest.update(f"{tensor.dtype} {list(tensor.shape)}".encode() + tensor.numpy().tobytes())
    digest.update(b"end" * 2)
    assert digest_of(Split(X, Y), None) == digest.hexdigest()


@given(st.integers(0, 23), st.integers(0, 31))
def test_one_bit_changes_a_digest(place: int, bit: int) -> None:
    changed = X.clone().view(torch.int32)
    changed.view(-1)[place] ^= -(2**31) if bit == 31 else 1 << bit
    assert digest_of(Split(changed.view(torch.float32), Y), None) != digest_of(Split(X, Y), None)


def test_types_shapes_and_partitions_change_a_digest() -> None:
    others = [
        (Split(X.double(), Y), None),
        (Split(X.view(3, 8), Y), None),
        (Split(X, Y), Split(X[:0], Y[:0])),
        (Split(X, Y), Split(X, Y)),
        (None, Split(X, Y)),
        (Split(X.t().contiguous().t(), Y), None),
    ]
    found = [digest_of(*each) for each in others]
    assert len(set(found)) == len(found)
    assert found[-1] == digest_of(Split(X, Y), None)  # strides are not data


@pytest.mark.parametrize("split", ["x_train", "y_train", "x_test"])
def test_tasks_differ_by_any_partition(split: str) -> None:
    rows = np.random.default_rng(0).normal(size=(80, 3))
    arrays = {"x_train": rows[:60], "y_train": rows[:60, 0] > 0, "x_test": rows[60:], "y_test": rows[60:, 0] > 0}
    other = {name: value.copy() for name, value in arrays.items()}
    other[split][3] = ~other[split][3] if split == "y_train" else other[split][3] + 1e-3
    assert lfl.task_from_arrays(**arrays).digest == lfl.task_from_arrays(**arrays).digest
    assert lfl.task_from_arrays(**arrays).digest != lfl.task_from_arrays(**other).digest


@pytest.mark.slow
def test_sixty_thousand_images_take_less_than_a_second() -> None:
    images = Split(torch.zeros(60_000, 1, 28, 28), torch.zeros(60_000, dtype=torch.int64))
    start = time.process_time()
    digest_of(images, None)
    assert time.process_time() - start < 1.0


def draw(seed: int = 0, stream: str = "train", step: int = 0) -> torch.Tensor:
    return draw_rows(1000, 64, seed=seed, stream=stream, step=step)


def test_the_same_step_gives_the_same_batch_whatever_came_before() -> None:
    first = draw(step=7)
    [draw(step=s) for s in range(5)]
    assert torch.equal(draw(step=7), first)


def test_seed_stream_and_step_each_matter() -> None:
    assert (
        len(
            {tuple(draw(*key).tolist()) for key in ((0, "train", 0), (1, "train", 0), (0, "valid", 0), (0, "train", 1))}
        )
        == 4
    )


def test_uniform_over_rows_with_replacement() -> None:
    rows = torch.cat([draw(step=s) for s in range(400)])
    counts = torch.bincount(rows, minlength=1000).double()
    chi_squared = float(((counts - 25.6) ** 2 / 25.6).sum())
    assert 820 < chi_squared < 1190  # 999 degrees of freedom: four deviations of 45 about the mean
    assert any(len(set(draw(step=s).tolist())) < 64 for s in range(20))
