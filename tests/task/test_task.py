"""What is held out of train, of which size, and that a user's own clean data are encoded like train and kept out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import lfl
from lfl.catalogue import TASKS
from lfl.data.splits import Split
from lfl.task import load_task, task_from_arrays
from lfl.task.defaults import Defaults
from lfl.task.diabetes import read_diabetes
from lfl.task.digits import read_digits
from lfl.task.task import FEWEST_KEPT, FEWEST_VALID, build_task

READERS = {"digits": read_digits, "diabetes": read_diabetes}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3)) * [1, 50, 0.01] + [0, 7, -3]
Y = np.repeat([0, 1], 50)


def by_scikit_learn(name: str, size: float) -> list[np.ndarray]:
    """Row numbers of train, valid and test of a task without a test partition, by scikit-learn alone."""
    y = READERS[name]().y.numpy()
    rows = np.arange(len(y))
    labels = y if name == "digits" else None
    rest, test = train_test_split(rows, test_size=0.2, random_state=0, stratify=labels)
    rest.sort()
    labels = y[rest] if name == "digits" else None
    train, valid = train_test_split(rest, test_size=size, random_state=0, stratify=labels)
    return [np.sort(part) for part in (train, valid, test)]


@pytest.mark.parametrize("name", ["digits", "diabetes"])
@pytest.mark.parametrize("size", [None, 50])
def test_splits_are_those_of_scikit_learn(name: str, size: int | None, tmp_path: Path) -> None:
    """With no size given, those that tasks always had: 10 %, by the same seed."""
    task = load_task(name, tmp_path, valid_size=size)
    raw = READERS[name]()
    parts = by_scikit_learn(name, 0.1 if size is None else size)
    x = raw.x.double().numpy()
    dims = (0, 2, 3) if name == "digits" else (0,)
    mean, deviation = (of(x[parts[0]], axis=dims, keepdims=True) for of in (np.mean, np.std))
    for split, rows in zip((task.train, task.valid, task.test), parts, strict=True):
        np.testing.assert_allclose(split.x.numpy(), (x[rows] - mean) / deviation, rtol=1e-5, atol=1e-6)
    if name == "digits":
        assert torch.equal(task.valid.y, raw.y[torch.from_numpy(parts[1])])


@settings(max_examples=40, deadline=None)
@given(st.integers(30, 150), st.integers(2, 6), st.integers(1, 160), st.booleans(), st.booleans())
def test_every_row_is_in_one_split_whatever_the_size(n: int, classes: int, size: int, tested: bool, held: bool) -> None:
    x, y = np.arange(n, dtype=float)[:, None], np.arange(n) % classes
    test = (x[: n // 5] + 0.5, y[: n // 5]) if tested else (None, None)
    at_hand = n if tested else n - int(np.ceil(0.2 * n))
    if size > at_hand - max(FEWEST_KEPT, classes):
        with pytest.raises(lfl.UserError, match=rf"--valid-size is {size}, but train has {at_hand} rows"):
            task_from_arrays(x, y, *test, kind="classification", valid_size=size)
        return
    task = task_from_arrays(x, y, *test, kind="classification", valid_size=size, eval_split=held)
    assert len(task.valid.y) == size
    assert sum(len(split.y) for split in task.splits.values()) == n + (n // 5 if tested else 0)
    mean, deviation = (float(t) for t in task.encoding.scale)
    rows = torch.cat([split.x[:, 0].double() * deviation + mean for split in task.splits.values()])
    own = np.concatenate([x, test[0]] if tested else [x])[:, 0]
    np.testing.assert_allclose(np.sort(rows.numpy()), np.sort(own), atol=1e-3)
    if size >= classes and at_hand - size >= classes:
        assert len(task.valid.y.unique()) == classes  # they are as frequent as each other here


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_a_tenth_by_number_is_a_tenth_by_share(name: str, tmp_path: Path) -> None:
    usual = load_task(name, tmp_path)
    numbered = load_task(name, tmp_path, valid_size=len(usual.valid.y))
    for one, other in zip(usual.splits.values(), numbered.splits.values(), strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)
    assert numbered.digest == usual.digest  # of the rows before they are split


@pytest.mark.parametrize("size", [0, -3, 2.5, True, "5"])
def test_a_size_is_a_whole_number(size: object) -> None:
    with pytest.raises(lfl.UserError, match="--valid-size must be a whole number of at least 1"):
        task_from_arrays(X, Y, valid_size=size)


def test_every_named_task_takes_a_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those that would be downloaded have rows of noise in their place."""
    g = torch.Generator().manual_seed(0)
    classes = torch.arange(300) % 100
    images = Split(torch.rand(300, 3, 32, 32, generator=g), classes), Split(torch.rand(20, 3, 32, 32), classes[:20])
    digits = (
        Split(torch.rand(300, 1, 28, 28, generator=g), classes % 10),
        Split(torch.rand(20, 1, 28, 28), classes[:20] % 10),
    )
    values = Split(torch.rand(300, 8, generator=g), torch.rand(300, 1, generator=g))
    monkeypatch.setattr("lfl.task.cifar_svhn.read_colour_images", lambda *_: images)
    monkeypatch.setattr("lfl.task.mnist.read_mnist", lambda _: digits)
    for name in ("crime", "california"):
        monkeypatch.setattr(f"lfl.task.{name}.read_{name}", lambda _: values)
    for name in TASKS:
        task = load_task(name, tmp_path, valid_size=13)
        assert (len(task.valid.y), task.valid_from) == (13, None)


def test_own_clean_data_are_encoded_as_train_s_are_and_leave_all_of_train_to_train() -> None:
    """Against scikit-learn's scalers, fitted on train."""
    own = RNG.normal(size=(30, 3)) * 9, RNG.normal(size=(30, 2)) * 5
    y = RNG.normal(size=(100, 2))
    task = task_from_arrays(X, y, X[:20] + 1, y[:20], x_valid=own[0], y_valid=own[1])
    assert [len(split.y) for split in task.splits.values()] == [100, 30, 20]
    inputs, targets = StandardScaler().fit(X), MinMaxScaler().fit(y)
    for split, (raw_x, raw_y) in zip(task.splits.values(), [(X, y), own, (X[:20] + 1, y[:20])], strict=True):
        np.testing.assert_allclose(split.x.numpy(), inputs.transform(raw_x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(split.y.numpy(), targets.transform(raw_y), rtol=1e-5, atol=1e-6)
    assert task.valid_from == "x_valid"


def test_test_and_eval_are_split_off_train_as_without_own_clean_data() -> None:
    own = task_from_arrays(X, Y, x_valid=X[:9], y_valid=Y[:9], eval_split=True)
    assert [len(split.y) for split in own.splits.values()] == [72, 9, 20, 8]
    without = task_from_arrays(X, Y)
    mean, deviation = own.encoding.scale
    other_mean, other_deviation = without.encoding.scale
    raw = own.test.x.double() * deviation + mean
    torch.testing.assert_close(raw, without.test.x.double() * other_deviation + other_mean, rtol=1e-5, atol=1e-4)


def test_classes_are_numbered_by_train_alone() -> None:
    words = np.array(["dog", "ant", "cat"])
    task = task_from_arrays(X, words[np.arange(100) % 3], x_valid=X[:6], y_valid=np.array(["cat", "dog"] * 3))
    assert task.valid.y.tolist() == [1, 2] * 3
    hot = task_from_arrays(X, np.eye(3)[np.arange(100) % 3], x_valid=X[:6], y_valid=np.array([2, 0] * 3))
    assert hot.valid.y.tolist() == [2, 0] * 3


def test_what_is_missing_becomes_the_mean_of_train() -> None:
    clean = np.full((6, 3), np.nan)
    assert not task_from_arrays(X, Y, x_valid=clean, y_valid=Y[:6]).valid.x.any()


def test_the_digest_covers_own_clean_data() -> None:
    clean = {"x_valid": X[:9] + 1, "y_valid": Y[45:54]}
    one = task_from_arrays(X, Y, **clean)
    assert one.digest == task_from_arrays(X, Y, **clean).digest
    others = [
        task_from_arrays(X, Y),
        task_from_arrays(X, Y, clean["x_valid"], clean["y_valid"]),
        task_from_arrays(X, Y, **clean | {"x_valid": X[:9]}),
        task_from_arrays(X, Y, **clean | {"y_valid": 1 - clean["y_valid"]}),
    ]
    assert len({task.digest for task in [one, *others]}) == 5


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"y_valid": None}, "x_valid and y_valid belong together"),
        ({"x_valid": None}, "x_valid and y_valid belong together"),
        ({"x_valid": X[:8]}, "arrays, valid: 8 inputs and 9 targets"),
        ({"x_valid": X[:9, :2]}, r"train inputs are \[3\] and valid inputs \[2\]"),
        ({"x_valid": X[:9] * np.inf}, r"arrays, valid: inputs hold infinite values \(row 0\)"),
        ({"x_valid": X[:9].astype(str)}, "arrays, valid: inputs must be numbers"),
        ({"y_valid": np.full(9, 7)}, "valid has the class 7, which train lacks"),
        ({"y_valid": np.full(9, np.nan)}, "missing or infinite"),
        ({"y_valid": np.array(["a"] * 9)}, "valid has the class 'a', which train lacks"),
        ({"x_valid": X[:4], "y_valid": Y[:4]}, rf"clean data \(valid\) have 4 rows; give at least {FEWEST_VALID}"),
        ({"x_valid": X[:9] * 1e300}, "lies too far"),
        ({"valid_size": 5}, "--valid-size is for clean data split off train, and you give your own"),
    ],
)
def test_clean_data_that_cannot_be_used_are_named(changed: dict[str, object], words: str) -> None:
    with pytest.raises(lfl.UserError, match=words) as caught:
        task_from_arrays(X, Y, **{"x_valid": X[:9], "y_valid": Y[45:54]} | changed)
    assert str(caught.value).count("\n") <= 1


def test_real_targets_of_clean_data_are_checked_too() -> None:
    y = RNG.normal(size=(100, 2))
    for wrong, words in (
        (y[:9, 0], "have 2 columns and valid 1"),
        (Y[:9].astype(str), "in valid"),
        (y[:9] * np.nan, "missing"),
    ):
        with pytest.raises(lfl.UserError, match=words):
            task_from_arrays(X, y, x_valid=X[:9], y_valid=wrong)


def test_own_clean_images_are_not_augmented_and_scaled_by_the_channel() -> None:
    train, clean = (
        Split(torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(n)), torch.arange(n) % 2) for n in (40, 10)
    )
    task = build_task("pictures", "classification", train, train, 2, Defaults(1, 0.1), valid=clean, pad=2)
    assert task.augmentation is not None
    assert len(task.augmentation.padded) == len(task.train.x) == 40
    mean, deviation = train.x.mean((0, 2, 3), keepdim=True), train.x.std((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(task.valid.x, (clean.x - mean) / deviation, rtol=1e-4, atol=1e-5)
