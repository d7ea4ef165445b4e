"""Targets of a user's own: which kind they are, and what their classes are."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.task.arrays import task_from_arrays
from lfl.task.targets import infer_kind

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3))
IDS = np.arange(100) % 4


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (np.repeat(["a", "b"], 50), "classification"),
        (np.repeat([0, 7], 50), "classification"),
        (np.repeat([0.0, 1.0], 50), "classification"),
        (np.repeat([True, False], 50), "classification"),
        (np.arange(100), "regression"),  # whole numbers, but as many as rows
        (RNG.normal(size=100), "regression"),
        (np.zeros((100, 2)), "regression"),
        (np.array([1.0, np.nan] * 50), "regression"),
        (np.eye(4)[IDS], "classification"),
        (np.eye(4)[IDS] * 2, "regression"),
        (np.eye(4)[IDS] > 0, "classification"),
        (np.ones((100, 2)), "regression"),
        (np.array([["a", "b"]] * 50), "classification"),
    ],
)
def test_kind_is_inferred(targets: np.ndarray, kind: str) -> None:
    assert infer_kind(targets) == kind


@pytest.mark.parametrize("dtype", [int, float, bool, "u1", "f2"])
@pytest.mark.parametrize("kind", [None, "classification"])
def test_one_hot_rows_are_class_ids(dtype: object, kind: str | None) -> None:
    rows = np.eye(4)[IDS].astype(dtype)
    hot, ids = (
        task_from_arrays(X, rows, X[:8], rows[:8], kind=kind),
        task_from_arrays(X, IDS, X[:8], IDS[:8], kind=kind),
    )
    assert (hot.kind, hot.num_outputs, hot.encoding.classes) == ("classification", 4, [0, 1, 2, 3])
    for name, split in ids.splits.items():
        assert torch.equal(hot.splits[name].y, split.y)
        assert torch.equal(hot.splits[name].x, split.x)


def test_a_class_that_train_has_in_no_row_keeps_its_place() -> None:
    task = task_from_arrays(X, np.eye(5)[IDS])
    assert (task.num_outputs, int(task.train.y.max())) == (5, 3)


def test_a_column_is_its_values() -> None:
    for values in (IDS, np.array(list("abcd"))[IDS], np.arange(100) / 7):
        row, column = task_from_arrays(X, values), task_from_arrays(X, values[:, None])
        assert row.encoding.classes == column.encoding.classes
        assert torch.equal(row.train.y, column.train.y)


@pytest.mark.parametrize(
    "targets",
    [
        np.zeros((100, 3)),
        np.ones((100, 2)),
        np.eye(4)[IDS] * 2,
        np.eye(4)[IDS] + 1e-9,
        np.where(np.arange(100)[:, None] == 99, 1, np.eye(4)[IDS]),
        np.where(np.arange(100)[:, None] == 99, np.nan, np.eye(4)[IDS]),
        np.zeros((100, 8, 8), int),
        np.zeros((100, 1, 1), int),
        np.zeros((100, 0), int),
        np.array([["a", "b"]] * 100),
    ],
)
def test_other_targets_of_several_columns_are_no_classes(targets: np.ndarray) -> None:
    with pytest.raises(lfl.UserError, match=r"classification needs one class in each row.*, got targets \[100, "):
        task_from_arrays(X, targets, kind="classification")


@pytest.mark.slow
@given(st.lists(st.integers(0, 5), min_size=30, max_size=60), st.integers(6, 8))
def test_rows_and_ids_agree(ids: list[int], width: int) -> None:
    if len(set(ids)) < 2:
        return
    task = task_from_arrays(np.arange(float(len(ids)))[:, None], np.eye(width)[ids], kind="classification")
    order = torch.cat([split.x[:, 0] for split in task.splits.values()]).argsort()
    assert torch.cat([split.y for split in task.splits.values()])[order].tolist() == ids


def test_bytes_and_objects_that_are_text_are_text() -> None:
    for words in (np.array([b"no", b"yes"] * 50), np.array(["no", "yes"] * 50, object), ["no", "yes"] * 50):
        assert task_from_arrays(X, words).encoding.classes == ["no", "yes"]
