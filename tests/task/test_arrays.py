"""Tasks from a user's own arrays and files: what is inferred, and what cannot be used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.task import load_task
from lfl.task.arrays import task_from_arrays, to_inputs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3))


@settings(max_examples=25, deadline=None)
@given(st.integers(30, 200), st.integers(2, 5), st.booleans(), st.booleans())
def test_every_row_is_in_one_split_with_its_own_target(n: int, classes: int, with_test: bool, with_eval: bool) -> None:
    x = np.arange(n, dtype=float)[:, None]
    y = np.arange(n) % classes
    test = (x[: n // 5] + 0.5, y[: n // 5]) if with_test else (None, None)
    task = task_from_arrays(x, y, *test, kind="classification", eval_split=with_eval)
    assert list(task.splits) == ["train", "valid", "test"] + ["eval"] * with_eval
    assert task.num_outputs == classes
    raw = {name: split.x[:, 0] for name, split in task.splits.items()}
    # Inputs are scaled by train, so that the rows are told apart by their order.
    everything = torch.cat(list(raw.values()))
    assert len(everything) == n + (n // 5 if with_test else 0)
    order = everything.sort().values
    assert bool((order[1:] > order[:-1]).all())
    train = task.train
    by_row = train.x[:, 0].argsort()
    first, last = train.x[by_row[0], 0], train.x[by_row[-1], 0]
    steps = (train.x[:, 0] - first) / (last - first)
    assert bool((steps >= 0).all())


def test_classes_are_numbered_in_the_order_of_their_names() -> None:
    y = np.array(["dog", "cat"] * 50)
    task = task_from_arrays(X, y, X[:4], y[:4])
    assert task.test.y.tolist() == [1, 0, 1, 0]
    assert task.defaults.loss == "cross-entropy"


def test_real_targets_span_train_and_images_are_augmented_in_colour_alone() -> None:
    task = task_from_arrays(X, RNG.normal(size=(100, 2)))
    assert (task.kind, task.num_outputs, task.defaults.loss) == ("regression", 2, "squared-error")
    assert (float(task.train.y.min()), float(task.train.y.max())) == (0.0, 1.0)
    classes = np.repeat([0, 1], 50)
    gray = task_from_arrays(RNG.normal(size=(100, 8, 8)), classes)
    assert (gray.input_shape, gray.augmentation) == ((1, 8, 8), None)
    for shape in ((100, 3, 8, 8), (100, 8, 8, 3)):
        colour = task_from_arrays(RNG.normal(size=shape), classes)
        assert colour.input_shape == (3, 8, 8)
        assert colour.augmentation is not None


def test_missing_inputs_become_the_mean_of_train() -> None:
    x = X.copy()
    x[::7, 1] = np.nan
    task = task_from_arrays(x, RNG.normal(size=100))
    assert all(bool(torch.isfinite(split.x).all()) for split in task.splits.values())
    assert (task.train.x[:, 1] == 0.0).any()


Y = np.repeat([0, 1], 50)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((X, Y[:99]), "100 inputs and 99 targets"),
        ((X[:, 0], Y), "inputs must be numbers"),
        ((X.astype(str), Y), "inputs must be numbers"),
        ((X * np.inf, Y), "infinite values"),
        ((X, np.zeros(100)), "only one class"),
        ((X, Y, X[:5], np.full(5, 9)), "test has the class 9, which train lacks"),
        ((X, Y, X[:5, :2], Y[:5]), r"train inputs are \[3\] and test inputs \[2\]"),
        ((X, Y, X[:5], None), "belong together"),
        ((X, np.full(100, np.nan)), "missing or infinite"),
        ((X, np.where(Y, Y, np.nan), None, None, "classification"), "missing or infinite"),
        ((X[:10], Y[45:55]), "10 train rows; give at least 20"),
    ],
)
def test_arrays_that_cannot_be_used_are_named(arrays: tuple, words: str) -> None:
    *given, kind = arrays if len(arrays) == 5 else (*arrays, None)
    with pytest.raises(lfl.UserError, match=words):
        task_from_arrays(*given, kind=kind)


def test_a_kind_can_be_said_and_must_be_known() -> None:
    assert task_from_arrays(X, Y, kind="regression").kind == "regression"
    with pytest.raises(lfl.UserError, match="unknown kind 'ranking'"):
        task_from_arrays(X, Y, kind="ranking")
    with pytest.raises(lfl.UserError, match="regression needs real targets"):
        task_from_arrays(X, np.repeat(["a", "b"], 50), kind="regression")


def test_a_folder_that_is_called_like_a_task_does_not_take_its_place(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_task("digits", tmp_path).num_outputs == 10


def test_files_become_tasks_by_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=X, y_train=Y)
    rows = "\n".join(f"{a},{b},{'yes' if y else 'no'}" for (a, b, _), y in zip(X, Y, strict=True))
    (tmp_path / "own.csv").write_text(f"a,b,answer\n{rows}\n")
    by_array = load_task(str(tmp_path / "own.npz"), tmp_path)
    by_table = load_task(str(tmp_path / "own.csv"), tmp_path, target="answer")
    assert by_array.name == str(tmp_path / "own.npz")
    assert torch.equal(by_array.train.y, by_table.train.y)
    torch.testing.assert_close(by_array.train.x[:, :2], by_table.train.x)
    with pytest.raises(lfl.UserError, match="--target COLUMN"):
        load_task(str(tmp_path / "own.csv"), tmp_path)
    with pytest.raises(lfl.UserError, match=r"--target is for a \.csv table"):
        load_task(str(tmp_path / "own.npz"), tmp_path, target="a")
    with pytest.raises(lfl.UserError, match="cannot read"):
        load_task(str(tmp_path / "absent.npz"), tmp_path)
    with pytest.raises(lfl.UserError, match="is not a folder"):
        load_task(str(tmp_path / "absent") + "/", tmp_path)
    with pytest.raises(lfl.UserError, match="--kind is for your own data"):
        load_task("digits", tmp_path, kind="regression")


def test_unix_times_keep_their_digits_from_the_array_to_the_prediction(tmp_path: Path) -> None:
    """The same hours, counted from 1970 and from the first of them, are the same inputs to the bit."""
    hours = np.arange(100.0)[:, None] * 3600
    near, far = (task_from_arrays(hours + start, Y) for start in (0.0, 1_700_000_000.0))
    assert torch.equal(near.train.x, far.train.x)
    assert len(near.train.x.unique()) == len(near.train.x)  # in single precision they fall on steps of 128 seconds
    np.savetxt(
        tmp_path / "table.csv",
        np.c_[hours + 1_700_000_000.0, Y],
        delimiter=",",
        header="time,grade",
        comments="",
        fmt="%d",
    )
    table = load_task(str(tmp_path / "table.csv"), tmp_path, target="grade")
    assert torch.equal(table.train.x, near.train.x)
    again = to_inputs(hours[:3] + 1_700_000_000.0, "new")
    assert torch.equal(far.encoding.scale(again), near.encoding.scale(to_inputs(hours[:3], "new")))


def test_real_targets_keep_their_digits() -> None:
    y = np.random.default_rng(0).normal(size=100)
    near, far = (task_from_arrays(X, y * 1e-3 + start) for start in (0.0, 1.7e9))
    torch.testing.assert_close(far.train.y, near.train.y, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "f2", "f4", "?", ">f4", ">u2"])
def test_types_that_single_precision_holds_stay_in_it(dtype: str) -> None:
    assert to_inputs(np.ones((3, 2), dtype), "x").dtype == torch.float32
    for wide in ("i4", "u4", "i8", "u8", "f8", ">f8", "g"):
        assert to_inputs(np.ones((3, 2), wide), "x").dtype == torch.float64


def test_what_is_handed_in_is_neither_shared_nor_warned_about() -> None:
    x = X.astype(np.float32)
    x.flags.writeable = False
    task = task_from_arrays(x, Y, x[:5], Y[:5])
    task.test.x.zero_()
    assert x[:5].any()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((X, Y, X[:0], Y[:0]), "the test part has no rows"),
        ((X[:, :0], Y), r"inputs \[100, 0\] are empty"),
        ((np.zeros((100, 0, 4)), Y), r"inputs \[100, 0, 4\] are empty"),
        ((X[:0], Y[:0]), "0 train rows"),
        ((X[0, 0], Y), "inputs must be numbers"),
        ((X, Y[0]), "100 inputs and 0 targets"),
        ((X.astype(complex), Y), "inputs must be numbers or words, got complex128"),
        ((X.astype("M8[s]"), Y), "inputs must be numbers or words, got datetime64"),
        ((X.astype("S"), Y), "inputs must be numbers .*, got <U"),
        ((np.full((100, 1), 2**53 + 1), Y), r"inputs hold 9007199254740993 in row 0, and whole numbers beyond 2\*\*53"),
        ((np.where(X[7] < X, X, X), np.arange(100) + 2**60), r"targets hold 1152921504606846976 in row 0"),
        (([[1, 2], [3]] * 50, Y), "inputs cannot be read as an array"),
        (([[None, 2.0]] * 100, Y), "inputs must be numbers or words, got None, a NoneType"),
        (([[{}, 2.0]] * 100, Y), "got {}, a dict"),
        ((np.ma.masked_less(X, 0.0), Y), "hold masked values"),
        ((torch.ones(100, 3, requires_grad=True), Y), "inputs cannot be read as an array"),
        ((X, np.array(["a", "\ud800"] * 50)), "targets cannot be read as an array .*surrogates"),
        ((X, np.array([b"a", b"\xff"] * 50)), "targets cannot be read as an array"),
        ((X, np.zeros(100, "M8[D]")), "targets must be numbers or words, got datetime64"),
        ((X, np.zeros(100, "i4,f8")), "targets must be numbers or words"),
        ((X, ["a", 1] * 50, None, None), None),
        ((X, np.array(["a", 1] * 50, object)), "got both"),
        ((X, np.array([[0, 1, 1]] * 100), None, None, "classification"), "one class in each row"),
        ((X, np.ones(100), None, None, "regression"), r"targets \(column 0\) go from 1.0 to 1.0"),
        ((np.where(np.arange(100)[:, None] == 50, np.inf, X), Y), r"infinite values \(row 50\)"),
    ],
)
def test_odd_arrays_are_named(arrays: tuple, words: str | None) -> None:
    *given, kind = arrays if len(arrays) == 5 else (*arrays, None)
    if words is None:  # numpy makes words of them
        assert task_from_arrays(*given, kind=kind).encoding.classes == ["1", "a"]
        return
    with pytest.raises(lfl.UserError, match=words) as caught:
        task_from_arrays(*given, kind=kind)
    assert str(caught.value).count("\n") <= 1


def test_odd_paths_are_named(tmp_path: Path) -> None:
    for name in ("a\0.csv", "a\0.npz", "a\0/", "x" * 5000 + ".csv", "x" * 5000, "\udcff.npz"):
        with pytest.raises(lfl.UserError):
            load_task(name, tmp_path, target="a" if name.endswith("csv") else None)
