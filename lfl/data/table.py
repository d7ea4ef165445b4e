"""A user's own table: a line of names, and rows of numbers and words."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import UserError, reason

MISSING = {"", "?", "na", "nan", "null", "none"}
"""How tables write that a value is missing, in any case."""


class Column(NamedTuple):
    """How a column becomes inputs: a number one input; a word one input for each of the `words` that it may be."""

    name: str
    words: list[str] | None


class Table(NamedTuple):
    """Values as they are written, by column."""

    path: Path
    columns: dict[str, list[str]]


def read_table(path: Path) -> Table:
    """Read a file of comma-separated values.

    Raises:
        UserError: it cannot be read, or is no table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names, *rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({reason(error)}); give a table of comma-separated values.") from error
    except ValueError:
        raise UserError(f"{path} is empty; give a table with a line of names, and rows below it.") from None
    names = [name.strip() for name in names]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise UserError(f"{path}, line {number}: {len(row)} values for {len(names)} columns.")
    if not rows:
        raise UserError(f"{path} has names and no rows.")
    return Table(path, {name: [row[i].strip() for row in rows] for i, name in enumerate(names)})


def inputs_of(table: Table, target: str) -> list[Column]:
    """The columns that `target` is predicted from: all others that are not the same in every row.

    Raises:
        UserError: no such target, or nothing beside it.
    """
    if target not in table.columns:
        raise UserError(f"{table.path} has no column {target!r}; it has: {', '.join(table.columns)}")
    found = []
    for name, values in table.columns.items():
        if name == target or len(set(values)) == 1:
            continue
        numbers = _numbers(values)
        if numbers is None:
            found.append(Column(name, sorted(set(values))))
        elif not np.isnan(numbers).all() and (np.isnan(numbers).any() or len(np.unique(numbers)) > 1):
            found.append(Column(name, None))
    if not found:
        raise UserError(f"{table.path} has no column beside {target!r} that differs between rows.")
    return found


def encode(table: Table, columns: list[Column]) -> np.ndarray:
    """Inputs `[rows, n]`: numbers, NaN where one is missing; 1 for a word where it stands and 0 elsewhere.

    Raises:
        UserError: a column is not there, holds a word where numbers are wanted, or a word that `columns` lack.
    """
    inputs: list[np.ndarray] = []
    for name, words in columns:
        if name not in table.columns:
            raise UserError(f"{table.path} has no column {name!r}, which the model was trained with.")
        values = table.columns[name]
        if words is not None:
            for number, value in enumerate(values, start=2):
                if value not in words:
                    raise UserError(f"{table.path}, line {number}: {name} was never {value!r} in training.")
            inputs += [np.array([value == word for value in values], float) for word in words]
            continue
        numbers = _numbers(values)
        if numbers is None:
            raise UserError(f"{table.path}: {name} holds words; the model was trained with numbers there.")
        inputs.append(numbers)
    return np.stack(inputs, 1)


def targets_of(table: Table, target: str) -> np.ndarray:
    """The values of the column to be predicted: numbers where all are, else words.

    Raises:
        UserError: one is missing.
    """
    wanted = table.columns[target]
    for number, value in enumerate(wanted, start=2):
        if value.lower() in MISSING:
            raise UserError(f"{table.path}, line {number}: {target} is missing; remove that row.")
    numbers = _numbers(wanted)
    return np.array(wanted) if numbers is None else numbers


def _numbers(values: list[str]) -> np.ndarray | None:
    """The column as numbers, NaN where one is missing; None where a value is no number."""
    try:
        return np.array([np.nan if value.lower() in MISSING else float(value) for value in values])
    except ValueError:
        return None
