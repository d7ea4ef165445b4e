"""A user's own table: what it is read as, and every way in which it cannot be."""

from pathlib import Path

import numpy as np
import pytest

import lfl
from lfl.data.table import encode, inputs_of, read_table, targets_of

TABLE = """height,colour,same,weight,grade
1.5,red,x,10,a
,blue,x,?,b
2.5,red,x,30,a
"""


def table(folder: Path, text: str = TABLE) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def read(path: Path, target: str) -> tuple[np.ndarray, np.ndarray]:
    found = read_table(path)
    return encode(found, inputs_of(found, target)), targets_of(found, target)


def test_a_table_has_numbers_words_and_holes(tmp_path: Path) -> None:
    inputs, targets = read(table(tmp_path), "grade")
    assert targets.tolist() == ["a", "b", "a"]
    expected = [[1.5, 0, 1, 10], [np.nan, 1, 0, np.nan], [2.5, 0, 1, 30]]  # height, blue, red, weight; no `same`
    np.testing.assert_array_equal(inputs, expected)


def test_a_numeric_target_comes_as_numbers(tmp_path: Path) -> None:
    assert read(table(tmp_path, "a,b\n1,2\n3,4\n"), "b")[1].tolist() == [2.0, 4.0]


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
        read(table(tmp_path, text), target)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(lfl.UserError, match=r"cannot read .*comma-separated"):
        read_table(tmp_path / "table.csv")


def test_another_table_is_encoded_like_the_first(tmp_path: Path) -> None:
    columns = inputs_of(read_table(table(tmp_path)), "grade")
    again = encode(read_table(table(tmp_path, "colour,weight,height\nred,1,\nblue,2,9\n")), columns)
    np.testing.assert_array_equal(again, [[np.nan, 0, 1, 1], [9, 1, 0, 2]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour,height\nred,1\n", "no column 'weight'"),
        ("colour,height,weight\ngreen,1,2\n", "line 2: colour was never 'green'"),
        ("colour,height,weight\nred,tall,2\n", "line 2: height is 'tall'"),
    ],
)
def test_another_table_that_does_not_fit_is_named(text: str, words: str, tmp_path: Path) -> None:
    columns = inputs_of(read_table(table(tmp_path)), "grade")
    with pytest.raises(lfl.UserError, match=words):
        encode(read_table(table(tmp_path, text)), columns)
