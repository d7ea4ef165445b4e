"""A user's own files: what they are read as, and every way in which they cannot be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lfl
from lfl.data.files import read_folder, read_npz, read_table

TABLE = """height,colour,same,weight,grade
1.5,red,x,10,a
,blue,x,?,b
2.5,red,x,30,a
"""


def table(folder: Path, text: str = TABLE) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def picture(path: Path, size: tuple[int, int] = (5, 4), shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 2 * shade, 255)).save(path)


def test_a_table_has_numbers_words_and_holes(tmp_path: Path) -> None:
    arrays = read_table(table(tmp_path), "grade")
    assert arrays["y_train"].tolist() == ["a", "b", "a"]
    expected = [[1.5, 0, 1, 10], [np.nan, 1, 0, np.nan], [2.5, 0, 1, 30]]  # height, blue, red, weight; no `same`
    np.testing.assert_array_equal(arrays["x_train"], expected)


def test_a_numeric_target_comes_as_numbers(tmp_path: Path) -> None:
    arrays = read_table(table(tmp_path, "a,b\n1,2\n3,4\n"), "b")
    assert arrays["y_train"].tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        (TABLE, "size", "no column 'size'; it has: height, colour, same, weight, grade"),
        (TABLE, "weight", "line 3: weight is missing"),
        ("", "a", "is empty"),
        ("a,b\n", "a", "names and no rows"),
        ("a,b\n1,2\n3\n", "a", "line 3: 1 values for 2 columns"),
        ("a,b\n1,5\n3,5\n", "a", "no column beside 'a' that differs"),
    ],
)
def test_tables_that_cannot_be_used_are_named(text: str, target: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=words):
        read_table(table(tmp_path, text), target)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(lfl.UserError, match=r"cannot read .*comma-separated"):
        read_table(tmp_path / "table.csv", "a")


def test_arrays_come_back(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_train=np.eye(3), y_train=np.arange(3), other=np.zeros(1))
    arrays = read_npz(tmp_path / "data.npz")
    assert sorted(arrays) == ["x_train", "y_train"]
    np.testing.assert_array_equal(arrays["x_train"], np.eye(3))


@pytest.mark.parametrize("damage", ["absent", "truncated", "objects", "incomplete"])
def test_array_files_that_cannot_be_used_are_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    if damage == "objects":
        np.savez(path, x_train=np.array([{}], dtype=object), y_train=np.zeros(1))
    elif damage != "absent":
        np.savez(path, x_train=np.zeros((5, 2)), **({} if damage == "incomplete" else {"y_train": np.zeros(5)}))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(lfl.UserError, match="lacks y_train" if damage == "incomplete" else "cannot read .*numpy.savez"):
        read_npz(path)


def test_pictures_come_by_class(tmp_path: Path) -> None:
    for i, (part, label) in enumerate([("train", "cat"), ("train", "dog"), ("test", "cat")]):
        picture(tmp_path / part / label / "1.png", shade=10 * i)
    arrays = read_folder(tmp_path)
    assert arrays["x_train"].shape == (2, 3, 4, 5)
    assert arrays["x_train"][1, :, 0, 0].tolist() == [10, 20, 255]
    assert arrays["y_train"].tolist() == ["cat", "dog"]
    assert arrays["y_test"].tolist() == ["cat"]
    assert sorted(read_folder(tmp_path / "train")) == ["x_train", "y_train"]


def test_folders_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(lfl.UserError, match="has no pictures"):
        read_folder(tmp_path)
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "cat" / "2.png", size=(6, 4))
    with pytest.raises(lfl.UserError, match=r"2.png is 6x4 pixels and others 5x4"):
        read_folder(tmp_path)
    (tmp_path / "cat" / "2.png").write_bytes(b"no picture")
    with pytest.raises(lfl.UserError, match=r"2.png is no picture"):
        read_folder(tmp_path)
