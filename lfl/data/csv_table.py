"""Reads a user's own CSV table: a line of column names, then rows of numbers and words."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import LflError, UserError, reason
from .limits import COPIES, check_memory, regular_file
from .quoting import listed, quoted, shortened

BYTES_READ = 15
"""Bytes of memory that each byte of the file takes, once it is text in columns."""

MOST_SHARED = 10_000
"""Distinct values that are stored once, however often they occur."""

MOST_WORDS = 1_000
"""Distinct words that a column may hold; each becomes an input."""

MOST_INPUTS = 100_000
"""The greatest number of inputs that a table may become."""

MISSING_TARGET = {"", "?", "#n/a"}
"""Marks of a missing class in a column of words, in lower case; `none`, `NA` and `-` may be classes there."""


MISSING = {"", "?", "na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "-", "--", "."}
"""Marks of a missing value in a column of numbers, in lower case."""

MOST_CODES = 10
"""A column that holds words beside at most this many distinct numbers is a column of words (0, 1, 2, 3+)."""

MOST_WHOLE = 2**53
"""The largest whole number up to which all are exact in double precision."""


class Column(NamedTuple):
    """How a column becomes inputs: one input for numbers, or one for each of `words` (1 where it stands, else 0)."""

    name: str
    words: list[str] | None


class Table(NamedTuple):
    """A table as text: the values of each column, and the line of the file at which each row ends."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def at(self, row: int) -> str:
        """The file and line of a row, for errors."""
        return f"{self.path}, line {self.lines[row]}"


def read_table(path: Path) -> Table:
    """Reads a file of comma-separated values.

    Raises:
        UserError: the file cannot be read, is not a table, or is too large for the memory.
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
            raise UserError(
                f"{path}, line {reader.line_num}: {len(row)} values for {len(names)} columns; give one for each."
            )
        lines.append(reader.line_num)
        for column, value in zip(columns, row, strict=True):
            bare = value.strip()
            column.append(shared.setdefault(bare, bare) if len(shared) < MOST_SHARED else shared.get(bare, bare))
    if names is None:
        raise UserError(f"{path} is empty; give a table with a line of names, and rows below it.")
    if not lines:
        raise UserError(f"{path} has column names but no rows; add rows below them.")
    return Table(path, dict(zip(names, columns, strict=True)), lines)


def _refuse_twins(path: Path, names: list[str]) -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in first:
            raise UserError(f"{path}: columns {first[name]} and {number} are both called {quoted(name)}; rename one.")
        first[name] = number


def numbers_of(table: Table, name: str) -> np.ndarray | None:
    """Reads a column as numbers, NaN where a value is missing; returns None where the column is words.

    A column is words if it holds no number, or at least as many words as numbers, or words beside at most ten distinct
    numbers.

    Raises:
        UserError: some values among more than ten distinct numbers are not numbers, or a whole number has too many
            digits.
    """
    values = table.columns[name]
    read = {value: _number(value) for value in dict.fromkeys(values)}
    count = sum(not math.isnan(read[value] or 0.0) and read[value] is not None for value in values)
    words = sum(read[value] is None for value in values)
    if not count:
        return None
    if words:
        if (
            words >= count
            or sum(number is not None and not math.isnan(number) for number in read.values()) <= MOST_CODES
        ):
            return None
        row = next(row for row, value in enumerate(values) if read[value] is None)
        raise UserError(
            f"{table.at(row)}: {shortened(name)} is {quoted(values[row])}, and {count:,} of {len(values):,} values of "
            "that column are numbers.\nWrite a number there, or leave it empty; if all of them are names, put a "
            "letter before each."
        )
    return parsed(table, name)


def parsed(table: Table, name: str) -> np.ndarray:
    """Parses a column of numbers, `[rows]` in double precision, NaN where a value is missing.

    Raises:
        UserError: a value is not a number, or a whole number that double precision cannot hold.
    """
    numbers = np.empty(len(table.columns[name]))
    for row, value in enumerate(table.columns[name]):
        number = _number(value)
        if number is None:
            raise UserError(
                f"{table.at(row)}: {shortened(name)} is {quoted(value)}, and that column holds numbers; write a number."
            )
        if abs(number) >= MOST_WHOLE and value.lstrip("+-").isdigit() and abs(int(value)) > MOST_WHOLE:
            raise UserError(
                f"{table.at(row)}: {shortened(name)} is {shortened(value)}, more digits than double precision holds "
                "(up to 2**53).\nRemove the column if it numbers rows; if it holds names, put a letter before each."
            )
        numbers[row] = number
    return numbers


def _number(value: str) -> float | None:
    """Parses a number: NaN if it is missing, None if it is not a finite number; `1_000` is a word, unlike in Python."""
    if value.lower() in MISSING:
        return math.nan
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in value else None


def targets_named(table: Table, target: str) -> list[str]:
    """Returns the columns that a target names: one, or several with commas between them.

    Raises:
        UserError: there is no such column, or it is named twice.
    """
    names = [target] if target in table.columns else [name.strip() for name in target.split(",")]
    for name in names:
        _refuse_absent(table, name)
    if len(set(names)) < len(names):
        raise UserError(f"--target names a column twice, got {quoted(target)}; name each once.")
    return names


def inputs_of(table: Table, *targets: str) -> list[Column]:
    """Lists the columns that `targets` are predicted from: all others that differ between rows.

    A column is numbers if every value is a number or missing (`numbers_of`), else words.

    Raises:
        UserError: no such target, no other column, a value among numbers that is not a number, or too many words.
    """
    for target in targets:
        _refuse_absent(table, target)
    found = []
    for name, values in table.columns.items():
        different = dict.fromkeys(values)
        if name in targets or len(different) == 1:
            continue
        numbers = numbers_of(table, name)
        if numbers is None:
            found.append(Column(name, _words(table, name, list(different))))
        elif np.isnan(numbers).any() or len(np.unique(numbers)) > 1:
            found.append(Column(name, None))
    if not found:
        raise UserError(
            f"{table.path} has no column but {', '.join(map(quoted, targets))} that differs between rows; add one."
        )
    if (count := _width(found)) > MOST_INPUTS:
        raise UserError(f"{table.path} would become {count:,} inputs, more than {MOST_INPUTS:,}; drop columns.")
    return found


def _refuse_absent(table: Table, target: str) -> None:
    if target not in table.columns:
        raise UserError(f"{table.path} has no column {quoted(target)}; it has: {listed(table.columns)}")


def _words(table: Table, name: str, different: list[str]) -> list[str]:
    if len(different) > MOST_WORDS:
        raise UserError(
            f"{table.path}: {shortened(name)} has {len(different):,} different words in {len(table.lines):,} rows, "
            f"and may have {MOST_WORDS:,} at most, since each is an input.\nRemove the column if it names rows or is "
            "free text; else put rare words into one, or write numbers in their place."
        )
    return sorted(different)


def _width(columns: list[Column]) -> int:
    return sum(1 if words is None else len(words) for _, words in columns)


def encode(table: Table, columns: list[Column]) -> np.ndarray:
    """Encodes a table as inputs `[rows, n]`: numbers, NaN where missing; words one-hot.

    Raises:
        UserError: a column is missing, holds a word where numbers belong, or a word that `columns` lacks; or the inputs
            are too large for the memory.
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
    """Reads the column to be predicted: numbers if all values are, else words.

    Args:
        table: the table.
        target: name of the column.
        words: whether to read words, as in another table; decided by the column's own values when omitted.

    Raises:
        UserError: no such column, a value is missing, or a value among numbers is not a number.
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
            f"{table.at(row)}: {shortened(target)} is missing{among}; remove that row, or give the class another name."
        )
    return np.array(wanted) if numbers is None else numbers
