"""Clean data of one's own beside a file or folder: found, read as train is, refused in words where they do not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lfl
from lfl.task import load_task, task_from_arrays

X = np.random.default_rng(0).normal(size=(60, 2))
Y = np.where(np.arange(60) % 3, "b", "a")
CLEAN = X[:8] + 5, np.array(["b", "a"] * 4)


def table(path: Path, x: np.ndarray, y: np.ndarray, *extra: str) -> Path:
    """Columns u, v, a word that u decides, and the target, in another order where there are extra columns."""
    names = ["y", "colour", *extra, "v", "u"] if extra else ["u", "v", "colour", "y"]
    rows = []
    for (u, v), label in zip(x, y, strict=True):
        values = {"u": repr(float(u)), "v": repr(float(v)), "colour": "red" if u > 0 else "blue", "y": str(label)}
        rows.append(",".join(values.get(name, "extra") for name in names))
    path.write_text("\n".join([",".join(names), *rows]) + "\n")
    return path


def same(one: lfl.Task, other: lfl.Task) -> None:
    for name, split in one.splits.items():
        assert torch.equal(split.x, other.splits[name].x)
        assert torch.equal(split.y, other.splits[name].y)


def test_arrays_in_the_file_or_beside_it(tmp_path: Path) -> None:
    expected = task_from_arrays(X, Y, x_valid=CLEAN[0], y_valid=CLEAN[1])
    np.savez(tmp_path / "own.npz", x_train=X, y_train=Y, x_valid=CLEAN[0], y_valid=CLEAN[1])
    np.savez(tmp_path / "plain.npz", x_train=X, y_train=Y)
    np.savez(tmp_path / "named.npz", x_valid=CLEAN[0], y_valid=CLEAN[1], x=X, y=Y)
    np.savez(tmp_path / "short.npz", x=CLEAN[0], y=CLEAN[1])
    inside = load_task(str(tmp_path / "own.npz"), tmp_path)
    assert inside.valid_from == f"x_valid of {tmp_path / 'own.npz'}"
    same(inside, expected)
    for name in ("named.npz", "short.npz"):
        beside = load_task(str(tmp_path / "plain.npz"), tmp_path, valid=str(tmp_path / name))
        assert beside.valid_from == str(tmp_path / name)
        assert beside.digest == inside.digest == expected.digest
        same(beside, expected)
    assert load_task(str(tmp_path / "plain.npz"), tmp_path).valid_from is None


def test_a_second_table_is_encoded_by_the_columns_and_words_of_the_first(tmp_path: Path) -> None:
    first = table(tmp_path / "own.csv", X, Y)
    second = table(tmp_path / "clean.csv", *CLEAN, "note")  # all of them red
    task = load_task(str(first), tmp_path, target="y", valid=str(second))
    assert task.valid_from == str(second)
    assert [len(split.y) for split in task.splits.values()] == [48, 8, 12]

    def words(x: np.ndarray) -> np.ndarray:
        return np.c_[x, x[:, 0] <= 0, x[:, 0] > 0].astype(float)

    same(task, task_from_arrays(words(X), Y, x_valid=words(CLEAN[0]), y_valid=CLEAN[1]))


@pytest.mark.parametrize(
    ("train", "clean", "read"),
    [
        (["0", "1", "3+"], ["0", "1"], ["0", "1"]),  # in the second table they might be numbers
        (["0", "1"], ["1", "0"], [0.0, 1.0]),
        (["01", "x"], ["x", "01"], ["01", "x"]),
    ],
)
def test_targets_are_words_where_train_s_are(train: list[str], clean: list[str], read: list, tmp_path: Path) -> None:
    labels = np.array(train)[np.arange(60) % len(train)]
    first = table(tmp_path / "own.csv", X, labels)
    second = table(tmp_path / "clean.csv", CLEAN[0], np.array(clean * 4))
    task = load_task(str(first), tmp_path, target="y", valid=str(second))
    names = task.encoding.classes
    assert names is not None
    assert [names[i] for i in task.valid.y.tolist()] == [type(read[0])(label) for label in clean * 4]


def test_real_targets_of_a_second_table_are_scaled_by_the_first(tmp_path: Path) -> None:
    first = table(tmp_path / "own.csv", X, X[:, 0] * 100)
    second = table(tmp_path / "clean.csv", CLEAN[0], CLEAN[0][:, 0] * 100)
    task = load_task(str(first), tmp_path, target="y", valid=str(second))
    assert task.encoding.range is not None
    np.testing.assert_allclose(task.encoding.range.back(task.valid.y)[:, 0], CLEAN[0][:, 0] * 100, rtol=1e-5)
    assert float(task.valid.y.min()) > 1.0  # beyond what train spans


def pictures(folder: Path, count: int, *, size: int = 4, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for i in range(count):
        file = folder / classes[i % len(classes)] / f"{i:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (size, size), (5 * i, i, 9)).save(file)
    return folder


def test_pictures_in_the_folder_or_in_another(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    for part, count in (("train", 30), ("valid", 6)):
        pictures(inside / part, count)
    pictures(tmp_path / "plain", 30)
    pictures(tmp_path / "clean", 6)
    own = load_task(f"{inside}/", tmp_path)
    beside = load_task(f"{tmp_path / 'plain'}/", tmp_path, valid=str(tmp_path / "clean"))
    assert [len(split.y) for split in own.splits.values()] == [24, 6, 6]
    assert (own.valid_from, beside.valid_from) == (str(inside / "valid"), str(tmp_path / "clean"))
    assert own.digest == beside.digest
    same(own, beside)
    mean, deviation = own.encoding.scale
    raw = own.valid.x.double() * deviation + mean  # pictures lie in the order of their classes and names
    np.testing.assert_allclose(raw[:, 0, 0, 0], [0, 10, 20, 5, 15, 25], atol=1e-4)


def test_a_class_may_be_called_valid_where_there_is_no_train_folder(tmp_path: Path) -> None:
    task = load_task(f"{pictures(tmp_path / 'own', 30, classes=('valid', 'broken'))}/", tmp_path)
    assert (task.encoding.classes, task.valid_from) == (["broken", "valid"], None)


def test_what_does_not_fit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", x_train=X, y_train=Y)
    np.savez("full.npz", x_train=X, y_train=Y, x_valid=CLEAN[0], y_valid=CLEAN[1])
    np.savez("half.npz", x_train=X, y_train=Y, x_valid=CLEAN[0])
    np.savez("lacks.npz", x=CLEAN[0])
    table(Path("own.csv"), X, Y)
    table(Path("clean.csv"), *CLEAN)
    Path("narrow.csv").write_text("u,colour,y\n1,red,a\n")
    Path("bare.csv").write_text("u,v,colour\n1,2,red\n")
    Path("green.csv").write_text("u,v,colour,y\n1,2,red,a\n1,2,green,a\n")
    Path("other.csv").write_text("u,v,colour,y\n" + "1,2,red,c\n" * 9)
    Path("numbers.csv").write_text("u,v,y\n" + "".join(f"{i},{-i},{i * i}\n" for i in range(30)))
    Path("stray.csv").write_text("u,v,y\n1,2,3\n1,2,many\n")
    pictures(Path("inside/train"), 30)
    pictures(Path("inside/valid"), 6)
    pictures(Path("plain"), 30)
    pictures(Path("clean"), 6)
    pictures(Path("large"), 6, size=5)
    pictures(Path("birds"), 6, classes=("bird", "cat"))
    Path("none").mkdir()
    cases = {
        ("own.npz", "clean.csv"): r"--valid needs a \.npz, like the task own\.npz, got clean\.csv",
        ("own.csv", "own.npz"): r"--valid needs a \.csv table",
        ("plain/", "own.npz"): "--valid needs a folder of pictures",
        ("own.npz", "clean"): r"--valid needs a \.npz",
        ("own.npz", "gone.npz"): "cannot read gone.npz",
        ("full.npz", "lacks.npz"): "full.npz has clean data of its own",
        ("half.npz", None): "x_valid and y_valid belong together",
        ("own.npz", "half.npz"): "half.npz lacks y_valid",
        ("own.npz", "lacks.npz"): "lacks.npz lacks y; save clean data as x_valid and y_valid",
        ("own.csv", "narrow.csv"): "narrow.csv has no column 'v'",
        ("own.csv", "bare.csv"): "bare.csv has no column 'y'; it has: u, v, colour",
        ("own.csv", "green.csv"): "green.csv, line 3: colour was never 'green'",
        ("own.csv", "other.csv"): "valid has the class 'c', which train lacks",
        ("numbers.csv", "stray.csv"): "stray.csv, line 3: y is 'many', and that column holds numbers",
        ("inside/", "clean"): "inside has clean data of its own, in valid/",
        ("plain/", "gone/"): "gone is not a folder",
        ("plain/", "none"): "none has no pictures",
        ("plain/", "large"): "large/cat/00.png is 5x5 pixels and others are 4x4",
        ("plain/", "birds"): "valid has the class 'bird', which train lacks",
        ("digits", "own.npz"): "--valid is for your own data, but the task is digits",
    }
    for (name, valid), words in cases.items():
        with pytest.raises(lfl.UserError, match=words):
            load_task(name, tmp_path, target="y" if name.endswith("csv") else None, valid=valid)
