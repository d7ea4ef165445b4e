"""A digest tells whether rows are what they were."""

import hashlib
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.data.arrays import Split
from lfl.data.digest import digest_of

X, Y = torch.arange(24.0).view(6, 4), torch.arange(6)


def test_it_is_that_of_the_bytes() -> None:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (X, Y):
        digest.update(f"{tensor.dtype} {list(tensor.shape)}".encode() + tensor.numpy().tobytes())
    digest.update(b"end" * 2)
    assert digest_of(Split(X, Y), None) == digest.hexdigest()


@given(st.integers(0, 23), st.integers(0, 31))
def test_one_bit_is_seen(place: int, bit: int) -> None:
    changed = X.clone().view(torch.int32)
    changed.view(-1)[place] ^= -(2**31) if bit == 31 else 1 << bit
    assert digest_of(Split(changed.view(torch.float32), Y), None) != digest_of(Split(X, Y), None)


def test_types_shapes_and_partitions_are_seen() -> None:
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


def test_sixty_thousand_images_take_less_than_a_second() -> None:
    images = Split(torch.zeros(60_000, 1, 28, 28), torch.zeros(60_000, dtype=torch.int64))
    start = time.process_time()
    digest_of(images, None)
    assert time.process_time() - start < 1.0
