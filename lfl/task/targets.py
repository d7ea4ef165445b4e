"""Targets from a user's own arrays: their kind, classes as ids, and real values."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import torch

from ..data.csv_table import MOST_WHOLE
from ..data.quoting import quoted, shortened
from ..errors import UserError, reason
from ..types import Kind

MOST_CLASSES = 1000
"""Whole numbers with more distinct values than this, or than a tenth of the rows, are real values, not classes."""


KINDS: list[str] = list(get_args(Kind))


def as_kind(name: str) -> Kind:
    """Returns the kind of this name, one of `KINDS`."""
    return "classification" if name == "classification" else "regression" if name == "regression" else "multilabel"


def to_array(values: Any, what: str) -> np.ndarray:
    """Converts a user's values to an array of numbers or words; bytes and objects that are text become text.

    Raises:
        UserError: rows of different lengths, dates, complex numbers, other objects, or text that cannot be decoded.
    """
    if np.ma.is_masked(values):
        raise UserError(f"{what} hold masked values; fill them, missing inputs with NaN.")
    try:
        array: np.ndarray = np.asarray(values)
        if array.dtype.kind == "O":
            array = _of_objects(array, what)
        if array.dtype.kind in "ST":
            array = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array.astype(str)
        if array.dtype.kind == "U":
            for word in np.unique(array).tolist():  # refuses half of a surrogate pair, or a code beyond all characters
                word.encode()
    except UserError:
        raise
    except Exception as error:  # a user's objects raise nearly anything
        raise UserError(
            f"{what} cannot be read as an array of numbers or words ({shortened(reason(error), 200)})."
        ) from error
    if array.dtype.kind not in "fiubU":
        raise UserError(f"{what} must be numbers or words, got {array.dtype}; write dates and others as numbers.")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    return array


def refuse_long_whole(array: np.ndarray, holds: str, rows: Sequence[int] | None = None) -> None:
    """Raises `UserError`, beginning with `holds`, if whole numbers have more digits than double precision.

    Args:
        array: `[n, ...]`.
        holds: the first words of the error.
        rows: the numbers of the rows, for the error; from 0 when omitted.
    """
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return
    beyond = (array > MOST_WHOLE) | (array < -MOST_WHOLE)
    if beyond.any():
        place = tuple(np.argwhere(beyond)[0].tolist())
        row = place[0] if rows is None else rows[place[0]]
        raise UserError(
            f"{holds} {array[place]} in row {row}, and whole numbers beyond 2**53 lose digits; subtract what "
            "they share, or leave out columns of ids."
        )


def _of_objects(array: np.ndarray, what: str) -> np.ndarray:
    for row in array.ravel().tolist():
        if not isinstance(row, str | int | float | np.number):
            raise UserError(f"{what} must be numbers or words, got {quoted(row)}, a {type(row).__name__}; remove it.")
    if len({isinstance(row, str) for row in array.ravel().tolist()}) > 1:
        raise UserError(f"{what} must be numbers or words, got both; write all as numbers or all as words.")
    return np.array(array.tolist()).reshape(array.shape)


def infer_kind(targets: np.ndarray) -> Kind:
    """Infers the kind of targets: classes if words, one-hot rows or whole numbers with few distinct values."""
    if targets.ndim > 1 and targets.shape[1] > 1:
        return "classification" if targets.dtype.kind == "U" or is_one_hot(targets) else "regression"
    if targets.dtype.kind in "Ub":
        return "classification"
    whole = bool(np.isfinite(targets).all()) and bool((targets == np.floor(targets)).all())
    few = len(np.unique(targets)) <= min(MOST_CLASSES, max(2, len(targets) // 10))
    return "classification" if whole and few else "regression"


def is_one_hot(targets: np.ndarray) -> bool:
    """Whether targets are numbers `[n, classes]` with one 1 in each row, and 0 elsewhere."""
    if targets.ndim != 2 or targets.shape[1] < 2 or not len(targets) or targets.dtype.kind not in "fiub":
        return False
    return bool(((targets == 0) | (targets == 1)).all()) and bool(((targets == 1).sum(1) == 1).all())


def classes_of(parts: dict[str, np.ndarray], name: str) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """Converts targets to class ids `[n]` of each part, and lists the names of the classes in the order of their ids.

    Args:
        parts: targets of train, and of valid and test if given: names or ids `[n]` or `[n, 1]`, or one-hot rows.
        name: name of the task.

    Raises:
        UserError: other targets of several columns, missing ones, a single class, or a class that train lacks.
    """
    flat = {part: _one_column(y, name) for part, y in parts.items()}
    if any(y.dtype.kind == "f" and not np.isfinite(y).all() for y in flat.values()):
        raise UserError(f"{name}: targets hold missing or infinite values; remove those rows.")
    # A one-hot column that is 0 in every row of train is a class too.
    train = parts["train"]
    known = np.arange(train.shape[1]) if is_one_hot(train) else np.unique(flat["train"])
    if len(np.unique(flat["train"])) < 2:
        raise UserError(
            f"{name}: train has only one class, {quoted(flat['train'].tolist()[0])}; classification needs two."
        )
    for part, y in flat.items():
        unknown = sorted(set(np.unique(y).tolist()) - set(known.tolist()))
        if unknown:
            raise UserError(f"{name}: {part} has the class {quoted(unknown[0])}, which train lacks; remove those rows.")
    return {part: torch.from_numpy(np.searchsorted(known, y)) for part, y in flat.items()}, known.tolist()


def _one_column(targets: np.ndarray, name: str) -> np.ndarray:
    if targets.ndim == 1:
        return targets
    if targets.ndim == 2 and targets.shape[1] == 1:
        return targets[:, 0]
    if is_one_hot(targets):
        return np.asarray(targets.argmax(1))
    raise UserError(
        f"{name}: classification needs one class in each row, [n], [n, 1] or one-hot rows, got targets "
        f"{list(targets.shape)} of {targets.dtype}; give class ids, or --kind regression."
    )


def labels_of(parts: dict[str, np.ndarray], name: str) -> tuple[dict[str, torch.Tensor], int]:
    """Converts several labels of each example to whole numbers `[n, labels]` of each part, and returns how many.

    Raises:
        UserError: values other than 0 and 1, words, or parts of different widths.
    """
    for part, y in parts.items():
        if y.dtype.kind not in "fiub" or y.ndim != 2:
            raise UserError(
                f"{name}: several labels are [n, labels], each 0 or 1, got {y.dtype} {list(y.shape)} in {part}; one "
                "class for each example is --kind classification."
            )
        if (odd := ~((y == 0) | (y == 1))).any():
            row, column = np.argwhere(odd)[0].tolist()
            raise UserError(
                f"{name}: labels are 0 or 1, got {y[row, column]} in row {row} of {part}, label {column}; real values "
                "are --kind regression."
            )
    width = parts["train"].shape[1]
    for part, y in parts.items():
        if y.shape[1] != width:
            raise UserError(f"{name}: train has {width} labels and {part} {y.shape[1]}; give both as many.")
    return {part: torch.from_numpy(y.astype(np.int64)) for part, y in parts.items()}, width


def values_of(parts: dict[str, np.ndarray], name: str) -> tuple[dict[str, torch.Tensor], int]:
    """Converts targets to real values `[n, width]` of each part, in double precision, and returns their width.

    Raises:
        UserError: words, missing values, whole numbers beyond 2**53, or parts of different widths.
    """
    for part, y in parts.items():
        if y.dtype.kind not in "fiub" or y.ndim not in (1, 2):
            raise UserError(
                f"{name}: regression needs real targets [n] or [n, width], got {y.dtype} {list(y.shape)} in {part}."
            )
        refuse_long_whole(y, f"{name}: targets hold")
    columns = {
        part: torch.from_numpy(np.array(y.reshape(len(y), -1), np.float64, order="C")) for part, y in parts.items()
    }
    if not all(bool(y.isfinite().all()) for y in columns.values()):
        raise UserError(f"{name}: targets hold missing or infinite values; remove those rows.")
    width = columns["train"].shape[1]
    for part, values in columns.items():
        if values.shape[1] != width:
            raise UserError(
                f"{name}: train targets have {width} columns and {part} {values.shape[1]}; give both as many."
            )
    return columns, width
