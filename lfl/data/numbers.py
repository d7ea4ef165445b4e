"""Which columns of a table are numbers, and what stands for a number that is missing."""

import math
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import UserError
from .words import quoted, shown

MISSING = {"", "?", "na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "-", "--", "."}
"""How columns of numbers write that a value is missing, in lower case."""

FEW = 10
"""A column that holds words and no more different numbers than this is words (0, 1, 2, 3+)."""

MOST_WHOLE = 2**53
"""Whole numbers up to this one are exact in double precision."""


class Columns(Protocol):
    """What is read here; a `lfl.data.table.Table` will do."""

    @property
    def path(self) -> Path: ...
    @property
    def columns(self) -> dict[str, list[str]]: ...
    def at(self, row: int) -> str: ...


def numbers_of(table: Columns, name: str) -> np.ndarray | None:
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
            f"{table.at(row)}: {shown(name)} is {quoted(values[row])}, and {count:,} of {len(values):,} values of that "
            "column are numbers.\nWrite a number there, or leave it empty; where all are names, put a letter before "
            "each."
        )
    return parsed(table, name)


def parsed(table: Columns, name: str) -> np.ndarray:
    """A column of numbers `[rows]` in double precision, NaN where one is missing.

    Raises:
        UserError: a value is no number, or a whole number that double precision does not hold.
    """
    numbers = np.empty(len(table.columns[name]))
    for row, value in enumerate(table.columns[name]):
        number = _number(value)
        if number is None:
            raise UserError(f"{table.at(row)}: {shown(name)} is {quoted(value)}, and numbers are wanted there.")
        if abs(number) >= MOST_WHOLE and value.lstrip("+-").isdigit() and abs(int(value)) > MOST_WHOLE:
            raise UserError(
                f"{table.at(row)}: {shown(name)} is {shown(value)}, more digits than double precision holds (up to "
                "2**53).\nRemove the column where it names rows; where all are names, put a letter before each."
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
