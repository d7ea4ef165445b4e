"""A user's own table: a line of names, and rows of numbers and words."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import LflError, UserError, reason
from .limits import COPIES, check_memory, regular_file
from .quoting import listed, quoted, shortened

BYTES_READ = 15
"""Bytes of memory that a byte of the file takes, as text in columns."""

MOST_SHARED = 10_000
"""Different values that are kept once however often they are written."""

MOST_WORDS = 1_000
"""Different words that a column may hold, each of them an input."""

MOST_INPUTS = 100_000
"""That a table may become."""

MISSING_TARGET = {"", "?", "#n/a"}
"""What is no class in a column of words, in lower case; `none`, `NA` and `-` may be classes there."""


MISSING = {"", "?", "na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "-", "--", "."}
"""How columns of numbers write that a value is missing, in lower case."""

FEW = 10
"""A column that holds words and no more different numbers than this is words (0, 1, 2, 3+)."""

MOST_WHOLE = 2**53
"""Whole numbers up to this one are exact in double precision."""


class Column(NamedTuple):
    """How a column becomes inputs: a number one input; a word one input for each of the `words` that it may be."""

    name: str
    words: list[str] | None


class Table(NamedTuple):
    """Values as they are written, by column, and the line of the file that each row ends in."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def at(self, row: int) -> str:
        """Where a row stands, for errors."""
        return f"{self.path}, line {self.lines[row]}"


def read_table(path: Path) -> Table:
    """Read a file of comma-separated values.

    Raises:
        UserError: it cannot be read, is no table, or is too large for the memory.
    """
    check_memory(BYTES_READ * regular_file(path), str(path), "give fewer rows or columns")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            try:
                return _read(path, reader)
            except csv.Error as error:
                raise UserError(
                    f"cannot read {path}, line {reader.line_num} ({shortened(reason(error), 200)}); "
                    "give a table of comma-separated values."
                ) from error
    except LflError:
        raise
    except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
        raise UserError(
            f"cannot read {path} ({shortened(reason(error), 200)}); give comma-separated values in UTF-8."
        ) from error


def _read(path: Path, reader: "csv._reader") -> Table:  # type: ignore[name-defined]
    names: list[str] | None = None
    columns: list[list[str]] = []
    lines: list[int] = []
    shared: dict[str, str] = {}
    for row in reader:
        if not row:
            continue
        if names is None:
            names = [name.strip() for name in row]
            _refuse_twins(path, names)
            columns = [[] for _ in names]
            continue
        if len(row) != len(names):
            raise UserError(f"{path}, line {reader.line_num}: {len(row)} values for {len(names)} columns.")
        lines.append(reader.line_num)
        for column, value in zip(columns, row, strict=True):
            bare = value.strip()
            column.append(shared.setdefault(bare, bare) if len(shared) < MOST_SHARED else shared.get(bare, bare))
    if names is None:
        raise UserError(f"{path} is empty; give a table with a line of names, and rows below it.")
    if not lines:
        raise UserError(f"{path} has names and no rows.")
    return Table(path, dict(zip(names, columns, strict=True)), lines)


def _refuse_twins(path: Path, names: list[str]) -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in first:
            raise UserError(f"{path}: columns {first[name]} and {number} are both called {quoted(name)}; rename one.")
        first[name] = number


def numbers_of(table: Table, name: str) -> np.ndarray | None:
    """A column as numbers, NaN where one is missing; None where it is words.

    It is words where it holds no number, or where at least as many values are words as numbers, or where there are
    few different numbers.

    Raises:
        UserError: among more than ten different numbers a few values are none, or a whole number has too many digits.
    """
    values = table.columns[name]
    read = {value: _number(value) for value in dict.fromkeys(values)}
    count = sum(not math.isnan(read[value] or 0.0) and read[value] is not None for value in values)
    words = sum(read[value] is None for value in values)
    if not count:
        return None
    if words:
        if words >= count or sum(number is not None and not math.isnan(number) for number in read.values()) <= FEW:
            return None
        row = next(row for row, value in enumerate(values) if read[value] is None)
        raise UserError(
            f"{table.at(row)}: {shortened(name)} is {quoted(values[row])}, and {count:,} of {len(values):,} values of "
            "that column are numbers.\nWrite a number there, or leave it empty; where all are names, put a letter "
            "before each."
        )
    return parsed(table, name)


def parsed(table: Table, name: str) -> np.ndarray:
    """A column of numbers `[rows]` in double precision, NaN where one is missing.

    Raises:
        UserError: a value is no number, or a whole number that double precision does not hold.
    """
    numbers = np.empty(len(table.columns[name]))
    for row, value in enumerate(table.columns[name]):
        number = _number(value)
        if number is None:
            raise UserError(f"{table.at(row)}: {shortened(name)} is {quoted(value)}, and numbers are wanted there.")
        if abs(number) >= MOST_WHOLE and value.lstrip("+-").isdigit() and abs(int(value)) > MOST_WHOLE:
            raise UserError(
                f"{table.at(row)}: {shortened(name)} is {shortened(value)}, more digits than double precision holds "
                "(up to 2**53).\nRemove the column where it names rows; where all are names, put a letter before each."
            )
        numbers[row] = number
    return numbers


def _number(value: str) -> float | None:
    """NaN for what is missing, None for what is no finite number; `1_000` is a word, unlike in Python."""
    if value.lower() in MISSING:
        return math.nan
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in value else None


def inputs_of(table: Table, target: str) -> list[Column]:
    """The columns that `target` is predicted from: all others that are not the same in every row.

    A column is numbers where every value is one or is missing (`numbers_of`), else words.

    Raises:
        UserError: no such target, nothing beside it, a value that is no number among numbers, or too many words.
    """
    _refuse_absent(table, target)
    found = []
    for name, values in table.columns.items():
        different = dict.fromkeys(values)
        if name == target or len(different) == 1:
            continue
        numbers = numbers_of(table, name)
        if numbers is None:
            found.append(Column(name, _words(table, name, list(different))))
        elif np.isnan(numbers).any() or len(np.unique(numbers)) > 1:
            found.append(Column(name, None))
    if not found:
        raise UserError(f"{table.path} has no column beside {quoted(target)} that differs between rows.")
    if (count := _width(found)) > MOST_INPUTS:
        raise UserError(
            f"{table.path} would become {count:,} inputs, and at most {MOST_INPUTS:,} may be; drop columns."
        )
    return found


def _refuse_absent(table: Table, target: str) -> None:
    if target not in table.columns:
        raise UserError(f"{table.path} has no column {quoted(target)}; it has: {listed(table.columns)}")


def _words(table: Table, name: str, different: list[str]) -> list[str]:
    if len(different) > MOST_WORDS:
        raise UserError(
            f"{table.path}: {shortened(name)} has {len(different):,} different words in {len(table.lines):,} rows, "
            f"and at most {MOST_WORDS:,} may be, each an input.\nRemove the column where it names rows or is free text; "
            "else put rare words into one, or write numbers in their place."
        )
    return sorted(different)


def _width(columns: list[Column]) -> int:
    return sum(1 if words is None else len(words) for _, words in columns)


def encode(table: Table, columns: list[Column]) -> np.ndarray:
    """Inputs `[rows, n]`: numbers, NaN where one is missing; 1 for a word where it stands and 0 elsewhere.

    Raises:
        UserError: a column is not there, holds a word where numbers are wanted, or a word that `columns` lack; or the
            inputs are too large for the memory.
    """
    shape = len(table.lines), _width(columns)
    needed = COPIES * shape[0] * shape[1] * np.dtype(float).itemsize
    check_memory(needed, f"{table.path} as {shape[1]:,} inputs", "drop columns, or put rare words into one")
    inputs = np.zeros(shape)
    place = 0
    for name, words in columns:
        if name not in table.columns:
            raise UserError(f"{table.path} has no column {quoted(name)}, which is among the inputs.")
        if words is None:
            inputs[:, place] = parsed(table, name)
            place += 1
            continue
        known = {word: place + i for i, word in enumerate(words)}
        for row, value in enumerate(table.columns[name]):
            if value not in known:
                raise UserError(f"{table.at(row)}: {shortened(name)} was never {quoted(value)} in training.")
            inputs[row, known[value]] = 1.0
        place += len(words)
    return inputs


def targets_of(table: Table, target: str, *, words: bool | None = None) -> np.ndarray:
    """The values of the column to be predicted: numbers where all are, else words.

    Args:
        table: what they are in.
        target: the column.
        words: whether they are words, as another table has it; by the column's own values when omitted.

    Raises:
        UserError: there is no such column, a value is missing, or is no number among numbers.
    """
    _refuse_absent(table, target)
    numbers = None
    if not words:
        numbers = numbers_of(table, target) if words is None else parsed(table, target)
    wanted = table.columns[target]
    absent = [value.lower() in MISSING_TARGET for value in wanted] if numbers is None else np.isnan(numbers).tolist()
    if True in absent:
        row = absent.index(True)
        among = "" if numbers is None or not wanted[row] else f" ({quoted(wanted[row])} among numbers)"
        raise UserError(
            f"{table.at(row)}: {shortened(target)} is missing{among}; remove that row, or name a class otherwise."
        )
    return np.array(wanted) if numbers is None else numbers
