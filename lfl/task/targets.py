"""Targets out of a user's own arrays: which kind they are, classes as ids, and real values."""

from typing import Any

import numpy as np
import torch

from ..data.csv_table import MOST_WHOLE
from ..data.quoting import quoted, shortened
from ..errors import UserError, reason
from ..types import Kind

MOST_CLASSES = 1000
"""Whole numbers with more distinct values than this, or than a tenth of the rows, are taken for measurements."""


def to_array(values: Any, what: str) -> np.ndarray:
    """What a user gives as numbers or words, as an array of them: bytes and objects that are text become text.

    Raises:
        UserError: rows of several lengths, dates, complex numbers, other objects, or text that is none.
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
            for word in np.unique(array).tolist():  # half of a character, or a number beyond all characters
                word.encode()
    except UserError:
        raise
    except Exception as error:  # what users hand over raises nearly anything
        raise UserError(
            f"{what} cannot be read as an array of numbers or words ({shortened(reason(error), 200)})."
        ) from error
    if array.dtype.kind not in "fiubU":
        raise UserError(f"{what} must be numbers or words, got {array.dtype}; write dates and others as numbers.")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    return array


def refuse_long_whole(array: np.ndarray, holds: str) -> None:
    """Raise `UserError`, that begins with `holds`, where whole numbers have more digits than double precision."""
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return
    beyond = (array > MOST_WHOLE) | (array < -MOST_WHOLE)
    if beyond.any():
        place = tuple(np.argwhere(beyond)[0].tolist())
        raise UserError(
            f"{holds} {array[place]} in row {place[0]}, and whole numbers beyond 2**53 lose digits; subtract what "
            "they share, or leave out columns of ids."
        )


def _of_objects(array: np.ndarray, what: str) -> np.ndarray:
    for row in array.ravel().tolist():
        if not isinstance(row, str | int | float | np.number):
            raise UserError(f"{what} must be numbers or words, got {quoted(row)}, a {type(row).__name__}; remove it.")
    if len({isinstance(row, str) for row in array.ravel().tolist()}) > 1:
        raise UserError(f"{what} must be numbers or words, got both; write all in one way.")
    return np.array(array.tolist()).reshape(array.shape)


def infer_kind(targets: np.ndarray) -> Kind:
    """Classes where targets are words, one-hot rows, or whole numbers of few different values; else real values."""
    if targets.ndim > 1 and targets.shape[1] > 1:
        return "classification" if targets.dtype.kind == "U" or is_one_hot(targets) else "regression"
    if targets.dtype.kind in "Ub":
        return "classification"
    whole = bool(np.isfinite(targets).all()) and bool((targets == np.floor(targets)).all())
    few = len(np.unique(targets)) <= min(MOST_CLASSES, max(2, len(targets) // 10))
    return "classification" if whole and few else "regression"


def is_one_hot(targets: np.ndarray) -> bool:
    """Whether targets are numbers `[n, classes]`, in each row one 1 and else 0."""
    if targets.ndim != 2 or targets.shape[1] < 2 or not len(targets) or targets.dtype.kind not in "fiub":
        return False
    return bool(((targets == 0) | (targets == 1)).all()) and bool(((targets == 1).sum(1) == 1).all())


def classes_of(parts: dict[str, np.ndarray], name: str) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """Class ids `[n]` of each part, and the names of the classes in the order of their ids.

    Args:
        parts: targets of train, and of valid and test where they are given: names or ids `[n]` or `[n, 1]`, or one-hot
            rows.
        name: of the task.

    Raises:
        UserError: other targets of several columns, missing ones, a single class, or a class that train lacks.
    """
    flat = {part: _one_column(y, name) for part, y in parts.items()}
    if any(y.dtype.kind == "f" and not np.isfinite(y).all() for y in flat.values()):
        raise UserError(f"{name}: targets hold missing or infinite values; remove those rows.")
    # A one-hot column that no row of train has is a class all the same.
    train = parts["train"]
    known = np.arange(train.shape[1]) if is_one_hot(train) else np.unique(flat["train"])
    if len(np.unique(flat["train"])) < 2:
        raise UserError(
            f"{name}: train has one class alone, {quoted(flat['train'].tolist()[0])}; classification needs two."
        )
    for part, y in flat.items():
        unknown = sorted(set(np.unique(y).tolist()) - set(known.tolist()))
        if unknown:
            raise UserError(f"{name}: {part} has the class {quoted(unknown[0])}, which train lacks.")
    return {part: torch.from_numpy(np.searchsorted(known, y)) for part, y in flat.items()}, known.tolist()


def _one_column(targets: np.ndarray, name: str) -> np.ndarray:
    if targets.ndim == 1:
        return targets
    if targets.ndim == 2 and targets.shape[1] == 1:
        return targets[:, 0]
    if is_one_hot(targets):
        return np.asarray(targets.argmax(1))
    raise UserError(
        f"{name}: classification wants one class a row, [n], [n, 1] or one-hot rows (one 1, else 0), got targets "
        f"{list(targets.shape)} of {targets.dtype}; give class ids, or --kind regression."
    )


def values_of(parts: dict[str, np.ndarray], name: str) -> tuple[dict[str, torch.Tensor], int]:
    """Real values `[n, width]` of each part in double precision, and their width.

    Raises:
        UserError: words, missing values, whole numbers beyond 2**53, or parts of several widths.
    """
    for part, y in parts.items():
        if y.dtype.kind not in "fiub" or y.ndim not in (1, 2):
            raise UserError(
                f"{name}: regression wants real targets [n] or [n, width], got {y.dtype} {list(y.shape)} in {part}."
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
            raise UserError(f"{name}: train targets have {width} columns and {part} {values.shape[1]}.")
    return columns, width
