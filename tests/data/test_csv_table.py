"""A user's own table: what it is read as, and every way in which it cannot be."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import lfl
from lfl.data import csv_table as tables
from lfl.data.csv_table import Column, encode, inputs_of, read_table, targets_of

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
        ("a,b\n", "a", "column names but no rows"),
        ("a,b\n1,2\n3\n", "a", "line 3: 1 values for 2 columns"),
        ("a,b\n1,5\n3,5\n", "a", "no column but 'a' that differs"),
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


def numbers(count: int = 300) -> list[str]:
    return [f"{i / 7:.6f}" for i in range(count)]


def column(values: list[str], name: str = "size") -> str:
    """A table of a column of inputs and a target."""
    return f"{name},grade\n" + "".join(f"{value},{'ab'[i % 2]}\n" for i, value in enumerate(values))


@pytest.mark.parametrize("word", ["n.a.", "N/A", "-", "--", ".", "?", "NA", "none", "NaN", ""])
def test_each_spelling_of_missing_leaves_a_column_numbers(word: str, tmp_path: Path) -> None:
    inputs, _ = read(table(tmp_path, column(["1.5", word, *numbers()])), "grade")
    assert inputs.shape == (302, 1)
    assert np.isnan(inputs[:, 0]).tolist() == [False, True] + [False] * 300


@pytest.mark.parametrize("word", ["unknown", "1_000", "inf", "1e999", "12a"])
def test_a_word_among_numbers_is_named_by_line_column_and_value(word: str, tmp_path: Path) -> None:
    path = table(tmp_path, column([*numbers(), word]))
    with pytest.raises(
        lfl.UserError, match=rf"table.csv, line 302: size is '{word}', and 300 of 301 values .* numbers"
    ):
        read(path, "grade")
    with pytest.raises(lfl.UserError, match=rf"line 302: size is '{word}', and 300 of 301"):
        targets_of(read_table(path), "size")


def test_few_different_numbers_beside_a_word_are_words(tmp_path: Path) -> None:
    inputs, _ = read(table(tmp_path, column(["0", "1", "2", "3+"] * 5)), "grade")
    np.testing.assert_array_equal(inputs[:4], np.eye(4))


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = 'size,grade\n\n"1\n2",a\n\n' + "".join(f"{value},b\n" for value in numbers(20)) + "x,a\n"
    with pytest.raises(lfl.UserError, match=r"line 4: size is '1\\n2'"):
        read(table(tmp_path, text), "grade")


@pytest.mark.parametrize("value", ["9007199254740993", "-9007199254740993"])
def test_whole_numbers_that_lose_digits_are_named(value: str, tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=rf"line 3: size is {value}, more digits"):
        read(table(tmp_path, column(["9007199254740992", value, *numbers()])), "grade")
    assert float(9007199254740993) == 9007199254740992.0  # what would be read


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="columns 1 and 3 are both called 'a'"):
        read_table(table(tmp_path, "a,b, a\n1,2,3\n"))


@pytest.mark.parametrize("word", ["none", "NA", "nan", "null", "-", "."])
def test_a_class_may_be_called_none(word: str, tmp_path: Path) -> None:
    _, targets = read(table(tmp_path, f"a,b\n1,yes\n2,{word}\n"), "b")
    assert targets.tolist() == ["yes", word]
    with pytest.raises(lfl.UserError, match=f"line 3: b is missing .'{word}' among numbers"):
        read(table(tmp_path, f"a,b\n1,1\n2,{word}\n"), "b")


@pytest.mark.parametrize("word", ["", "?", "#N/A"])
def test_what_is_no_class_is_missing(word: str, tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="line 3: b is missing"):
        read(table(tmp_path, f"a,b\n1,yes\n2,{word}\n"), "b")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,\xff\n", "comma-separated values in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "comma-separated values in UTF-8"),
        (b'a,b\n1,2\n1,"2\n3,4\n', "line 4 .unexpected end of data"),
        (b'a,b\n1,"2"x\n', "line 2 .*expected after"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", "line 2 .field larger than field limit"),
    ],
)
def test_text_that_is_no_table_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(lfl.UserError, match=f"cannot read .*table.csv.*{words}"):
        read_table(tmp_path / "table.csv")


def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    for path, words in (
        (tmp_path / "x.csv", "a folder"),
        (tmp_path / "pipe.csv", "not a regular"),
        (Path("a\0.csv"), "null"),
    ):
        with pytest.raises(lfl.UserError, match=f"cannot read .*{words}"):
            read_table(path)


def test_a_column_of_ids_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    text = "id,grade\n" + "".join(f"row {i},{i % 2}\n" for i in range(20_000))
    found = read_table(table(tmp_path, text))
    tracemalloc.start()
    with pytest.raises(lfl.UserError, match=r"id has 20,000 different words in 20,000 rows.*\n?.*Remove the column"):
        inputs_of(found, "grade")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # 20,000 inputs of 20,000 rows are 3.2 GB


@pytest.mark.slow
def test_inputs_beyond_the_memory_are_refused(tmp_path: Path) -> None:
    names = ",".join(f"c{i}" for i in range(600))
    rows = "\n".join(",".join(f"w{(i * j) % 997}" for j in range(600)) for i in range(1000))
    found = read_table(table(tmp_path, f"{names}\n{rows}\n"))
    with pytest.raises(lfl.UserError, match=r"would become [\d,]+ inputs, more than 100,000"):
        inputs_of(found, "c0")
    words = [str(i) for i in range(1_000_000)]
    many = [Column(name, words) for name in found.columns]
    with pytest.raises(lfl.UserError, match=r"as 600,000,000 inputs needs about 19200.0 GB of memory, and"):
        encode(found, many)


def test_long_words_and_names_are_cut_in_errors(tmp_path: Path) -> None:
    text = column([*numbers(), "x" * 10_000], name='"a\nlong' + "y" * 10_000 + '"')
    with pytest.raises(lfl.UserError) as caught:
        read(table(tmp_path, text), "grade")
    assert len(str(caught.value)) < 600
    assert str(caught.value).count("\n") == 1


def test_the_bounds_are_those_that_are_documented() -> None:
    assert (tables.MOST_WORDS, tables.MOST_INPUTS) == (1_000, 100_000)
