"""Spoiled train data: what is changed, by how much, and that nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.setting import parse_share
from lfl.task import load_task, task_from_arrays
from lfl.task.corruption import corrupt

DIGITS = load_task("digits", Path("unused"))
VALUES = load_task("diabetes", Path("unused"))
SEEDS = st.integers(0, 2**31)
SHARES = st.floats(0.0, 1.0)


@given(SEEDS, SHARES)
@settings(max_examples=30, deadline=None)
def test_symmetric_noise_changes_that_share_to_other_classes(seed: int, share: float) -> None:
    rows, y, wrong = corrupt(DIGITS, label_noise=f"symmetric:{share}", seed=seed)
    assert torch.equal(rows, torch.arange(len(DIGITS.train.y)))
    assert int(wrong.sum()) == round(share * len(rows))
    assert torch.equal(y != DIGITS.train.y, wrong)
    assert int(y.min()) >= 0
    assert int(y.max()) <= 9


def test_symmetric_noise_is_uniform_over_the_other_classes() -> None:
    counts = torch.zeros(10, 10)
    for seed in range(20):
        _, y, wrong = corrupt(DIGITS, label_noise="symmetric:0.5", seed=seed)
        counts.index_put_((DIGITS.train.y[wrong], y[wrong]), torch.ones(int(wrong.sum())), accumulate=True)
    expected = counts.sum(1, keepdim=True) / 9
    off = ~torch.eye(10, dtype=torch.bool)
    chi_squared = (((counts - expected) ** 2) / expected)[off].sum()
    assert (counts.diagonal() == 0).all()
    assert float(chi_squared) < 125.0  # of 80 degrees of freedom, beyond it once in a thousand


def test_pair_noise_names_the_next_class() -> None:
    _, y, wrong = corrupt(DIGITS, label_noise="pair:0.45", seed=3)
    assert torch.equal(y, torch.where(wrong, (DIGITS.train.y + 1) % 10, DIGITS.train.y))
    assert int(wrong.sum()) == round(0.45 * len(y))


def test_outliers() -> None:
    _, y, wrong = corrupt(VALUES, outliers="shift:0.3", seed=3)
    assert torch.allclose(y - VALUES.train.y, wrong[:, None].float())  # scaled targets span [0, 1]
    _, y, wrong = corrupt(VALUES, outliers="uniform:0.3", seed=3)
    assert torch.equal(y[~wrong], VALUES.train.y[~wrong])
    drawn = y[wrong]
    assert float(drawn.min()) >= 0.0
    assert float(drawn.max()) <= 1.0
    assert abs(float(drawn.mean()) - 0.5) < 4 * 0.29 / len(drawn) ** 0.5
    assert abs(np.corrcoef(drawn[:, 0], VALUES.train.y[wrong][:, 0])[0, 1]) < 4 / len(drawn) ** 0.5


def test_imbalance_is_a_geometric_tail() -> None:
    rows, y, wrong = corrupt(DIGITS, imbalance=10.0, seed=1)
    counts = torch.bincount(y)
    most = int(torch.bincount(DIGITS.train.y).min())
    assert counts.tolist() == [round(most * 10 ** (-c / 9)) for c in range(10)]
    assert torch.equal(y, DIGITS.train.y[rows])
    assert bool((rows.diff() > 0).all())
    assert not wrong.any()


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_it_repeats_and_leaves_the_task_alone(seed: int) -> None:
    before = [t.clone() for split in DIGITS.splits.values() for t in split]
    asked = {"label_noise": "symmetric:0.4", "imbalance": 5.0, "seed": seed}
    first, second = corrupt(DIGITS, **asked), corrupt(DIGITS, **asked)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(before, (t for s in DIGITS.splits.values() for t in s), strict=True))
    other = corrupt(DIGITS, **(asked | {"seed": seed + 1}))
    assert not torch.equal(first.rows, other.rows)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"outliers": "uniform:0.3"}, "--outliers is for real values"),
        ({"imbalance": 0.5}, "--imbalance must be a finite number of at least 1, got 0.5"),
        ({"label_noise": "symmetric:2"}, "a share of the rows from 0 to 1, such as symmetric:0.4, got 'symmetric:2'"),
        ({"label_noise": "symmetric"}, "got 'symmetric'"),
        ({"label_noise": "random:0.1"}, "choose one of: symmetric, pair"),
    ],
)
def test_errors(asked: dict, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        corrupt(DIGITS, **asked, seed=0)


def test_label_noise_is_refused_for_real_values() -> None:
    with pytest.raises(lfl.UserError, match="--label-noise is for classes, but the targets of diabetes are not"):
        corrupt(VALUES, label_noise="symmetric:0.1", seed=0)


def test_parse() -> None:
    assert parse_share("--outliers", "shift:0.25", ["shift"]) == ("shift", 0.25)


def test_several_columns_of_targets_are_wrong_together() -> None:
    source = np.random.default_rng(0)
    task = task_from_arrays(source.normal(size=(100, 3)), source.normal(size=(100, 2)), kind="regression")
    _, y, wrong = corrupt(task, outliers="shift:0.5", seed=0)
    assert torch.allclose(y - task.train.y, wrong[:, None].float().expand(-1, 2), atol=1e-6)


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_class_that_train_lacks_takes_nothing_from_the_others(absent: int) -> None:
    """One-hot targets may have a column that is 0 in every row."""
    ids = np.array([c for c in range(3) if c != absent])[np.arange(120) % 2]
    task = task_from_arrays(np.random.default_rng(0).normal(size=(120, 2)), np.eye(3)[ids])
    _, y, _ = corrupt(task, imbalance=4.0, seed=0)
    most = int(torch.bincount(task.train.y, minlength=3)[[c for c in range(3) if c != absent]].min())
    expected = [0 if c == absent else round(most * 4.0 ** (-c / 2)) for c in range(3)]
    assert torch.bincount(y, minlength=3).tolist() == expected
