"""A task from a user's own arrays: what kind of target they have is inferred, and can be said."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..data.arrays import Split
from ..errors import UserError, one_of
from ..types import Kind
from .build import build_task
from .defaults import colour_defaults, for_regression
from .images import PAD
from .task import Defaults, Task

STEPS = 10_000
"""What is trained for unless more or less is asked for."""

MOST_CLASSES = 1000
"""Whole numbers with more distinct values than this, or than a tenth of the rows, are taken for measurements."""


def task_from_arrays(
    x_train: Any,
    y_train: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    name: str = "arrays",
    kind: str | None = None,
    eval_split: bool = False,
) -> Task:
    """A `Task` from arrays: valid is held out of train, and test too where none is given; inputs are standardised.

    Args:
        x_train: inputs, numbers `[n, columns]` or images `[n, height, width]`, `[n, channels, height, width]` or
            `[n, height, width, channels]` with 3 channels. Missing values (NaN) of a column become its train mean.
        y_train: targets `[n]`: class names or ids, or real values `[n]` or `[n, width]`.
        x_test, y_test: the test partition; 20 % of the rows by a fixed shuffle when omitted.
        name: what the task is called.
        kind: `"classification"` or `"regression"`. When omitted, targets that are words, or whole numbers of few
            different values, are classes.
        eval_split: whether a fourth split is held out of train.

    Returns:
        The task: class ids in the order of the sorted names; real targets scaled so that train spans [0, 1].

    Raises:
        UserError: shapes that do not fit, missing or infinite targets, classes in test that train lacks, too few rows.

    Example:
        >>> import numpy as np
        >>> task = task_from_arrays(np.random.rand(50, 3), np.repeat(["a", "b"], 25))
        >>> task.kind, task.num_outputs
        ('classification', 2)
    """
    parts = [(np.asarray(x_train), np.asarray(y_train))]
    if (x_test is None) != (y_test is None):
        raise UserError("x_test and y_test belong together, but only one came; give both or neither.")
    if x_test is not None:
        parts.append((np.asarray(x_test), np.asarray(y_test)))
    if kind is not None:
        one_of("kind", kind, ["classification", "regression"])
    found = kind or infer_kind(parts[0][1])
    for x, y in parts:
        if _count(x) != _count(y):
            raise UserError(f"{name}: {_count(x)} inputs and {_count(y)} targets; each input needs one target.")
    inputs = [to_inputs(x, name) for x, _ in parts]
    if inputs[-1].shape[1:] != inputs[0].shape[1:]:
        raise UserError(
            f"{name}: train inputs are {list(inputs[0].shape[1:])} and test inputs {list(inputs[-1].shape[1:])}; "
            "give both the same shape."
        )
    labels = [y for _, y in parts]
    classes: list[Any] | None = None
    if found == "classification":
        targets, classes = _classes(labels, name)
        num_outputs = len(classes)
    else:
        targets, num_outputs = _values(labels, name)
    train, *test = (Split(x, y) for x, y in zip(inputs, targets, strict=True))
    images = train.x.dim() == 4
    settings = colour_defaults(STEPS) if images else Defaults(STEPS, 0.01)
    if found == "regression":
        settings = for_regression(settings)
    least = 20
    if len(train.y) < least:
        raise UserError(f"{name} has {len(train.y)} train rows; at least {least} are needed to hold some out.")
    task = build_task(
        name,
        "classification" if found == "classification" else "regression",
        train,
        test[0] if test else None,
        num_outputs,
        settings,
        eval_split=eval_split,
        pad=PAD if images and found == "classification" and train.x.shape[1] == 3 else None,
    )
    return replace(task, encoding=replace(task.encoding, classes=classes))


def infer_kind(targets: np.ndarray) -> Kind:
    """Classes where targets are words, or whole numbers of few different values; else real values."""
    if targets.ndim > 1 and targets.shape[1] > 1:
        return "regression"
    if targets.dtype.kind in "OUSb":
        return "classification"
    whole = bool(np.isfinite(targets).all()) and bool((targets == np.floor(targets)).all())
    few = len(np.unique(targets)) <= min(MOST_CLASSES, max(2, len(targets) // 10))
    return "classification" if whole and few else "regression"


def _count(array: np.ndarray) -> int:
    return len(array) if array.ndim else 0


def to_inputs(x: np.ndarray, name: str) -> torch.Tensor:
    """Floats `[n, columns]` or `[n, channels, height, width]`, as `task_from_arrays` takes them.

    Raises:
        UserError: neither numbers in rows nor images, or infinite ones.
    """
    if x.dtype.kind not in "fiub" or x.ndim not in (2, 3, 4):
        raise UserError(
            f"{name}: inputs must be numbers [n, columns], or images [n, height, width] or [n, channels, height, "
            f"width], but {x.dtype} {list(x.shape)} came."
        )
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[3] == 3 and x.shape[1] != 3:
        x = x.transpose(0, 3, 1, 2)
    tensor = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    if bool(tensor.isinf().any()):
        raise UserError(f"{name}: inputs hold infinite values; remove those rows.")
    return tensor


def _classes(labels: list[np.ndarray], name: str) -> tuple[list[torch.Tensor], list[Any]]:
    flat = [y.reshape(len(y), -1)[:, 0] if y.ndim > 1 else y for y in labels]
    if any(y.dtype.kind == "f" and not np.isfinite(y).all() for y in flat):
        raise UserError(f"{name}: targets hold missing or infinite values; remove those rows.")
    known = np.unique(flat[0])
    if len(known) < 2:
        raise UserError(f"{name}: train has one class alone, {known[0]!r}; classification needs two.")
    for y in flat:
        unknown = sorted(set(np.unique(y).tolist()) - set(known.tolist()))
        if unknown:
            raise UserError(f"{name}: test has the class {unknown[0]!r}, which train lacks.")
    return [torch.from_numpy(np.searchsorted(known, y)) for y in flat], known.tolist()


def _values(labels: list[np.ndarray], name: str) -> tuple[list[torch.Tensor], int]:
    if any(y.dtype.kind not in "fiub" or y.ndim > 2 for y in labels):
        raise UserError(f"{name}: regression wants real targets [n] or [n, width], but {labels[0].dtype} came.")
    columns = [torch.from_numpy(np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float32)) for y in labels]
    if not all(bool(y.isfinite().all()) for y in columns):
        raise UserError(f"{name}: targets hold missing or infinite values; remove those rows.")
    if columns[-1].shape[1] != columns[0].shape[1]:
        raise UserError(f"{name}: train targets have {columns[0].shape[1]} columns and test {columns[-1].shape[1]}.")
    return columns, columns[0].shape[1]
