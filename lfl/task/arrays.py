"""A task from a user's own arrays: what kind of target they have is inferred, and can be said."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..data.arrays import Split
from ..errors import UserError, one_of
from .build import build_task
from .defaults import colour_defaults, for_regression
from .images import PAD
from .targets import classes_of, infer_kind, refuse_long_whole, to_array, values_of
from .task import Defaults, Task

STEPS = 10_000
"""What is trained for unless more or less is asked for."""


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
        y_train: targets: class names or ids `[n]` or `[n, 1]`, one-hot rows `[n, classes]`, or real values `[n]` or
            `[n, width]`.
        x_test, y_test: the test partition; 20 % of the rows by a fixed shuffle when omitted.
        name: what the task is called.
        kind: `"classification"` or `"regression"`. When omitted, targets that are words, one-hot rows, or whole
            numbers of few different values, are classes.
        eval_split: whether a fourth split is held out of train.

    Returns:
        The task: class ids in the order of the sorted names; real targets scaled so that train spans [0, 1].

    Raises:
        UserError: shapes that do not fit, values that are neither numbers nor words, missing or infinite targets,
            classes in test that train lacks, too few rows.

    Example:
        >>> import numpy as np
        >>> task = task_from_arrays(np.random.rand(50, 3), np.repeat(["a", "b"], 25))
        >>> task.kind, task.num_outputs
        ('classification', 2)
    """
    if (x_test is None) != (y_test is None):
        raise UserError("x_test and y_test belong together, got only one; give both or neither.")
    given = [(x_train, y_train)] if x_test is None else [(x_train, y_train), (x_test, y_test)]
    if kind is not None:
        one_of("kind", kind, ["classification", "regression"])
    inputs = [to_inputs(x, name) for x, _ in given]
    labels = [to_array(y, f"{name}: targets") for _, y in given]
    for x, y in zip(inputs, labels, strict=True):
        if len(x) != _count(y):
            raise UserError(f"{name}: {len(x)} inputs and {_count(y)} targets; each input needs one target.")
    if inputs[-1].shape[1:] != inputs[0].shape[1:]:
        raise UserError(
            f"{name}: train inputs are {list(inputs[0].shape[1:])} and test inputs {list(inputs[-1].shape[1:])}; "
            "give both the same shape."
        )
    least = 20
    if len(inputs[0]) < least:
        raise UserError(f"{name} has {len(inputs[0])} train rows; at least {least} are needed to hold some out.")
    if not len(inputs[-1]):
        raise UserError(f"{name}: the test part has no rows; give some, or leave x_test and y_test out.")
    found = kind or infer_kind(labels[0])
    classes: list[Any] | None = None
    if found == "classification":
        targets, classes = classes_of(labels, name)
        num_outputs = len(classes)
    else:
        targets, num_outputs = values_of(labels, name)
    train, *test = (Split(x, y) for x, y in zip(inputs, targets, strict=True))
    images = train.x.dim() == 4
    settings = colour_defaults(STEPS) if images else Defaults(STEPS, 0.01)
    if found == "regression":
        settings = for_regression(settings)
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


def _count(array: np.ndarray) -> int:
    return len(array) if array.ndim else 0


def to_inputs(x: Any, name: str) -> torch.Tensor:
    """Numbers `[n, columns]` or `[n, channels, height, width]`, as `task_from_arrays` takes them.

    Returns:
        In single precision where that holds every value of the type, else in double: inputs far from zero keep their
        digits until they are scaled.

    Raises:
        UserError: neither numbers in rows nor images, none at all, infinite ones, or whole ones beyond 2**53.
    """
    x = to_array(x, f"{name}: inputs")
    if x.dtype.kind not in "fiub" or x.ndim not in (2, 3, 4):
        raise UserError(
            f"{name}: inputs must be numbers [n, columns], or images [n, height, width] or [n, channels, height, "
            f"width], got {x.dtype} {list(x.shape)}."
        )
    if 0 in x.shape[1:]:
        raise UserError(f"{name}: inputs {list(x.shape)} are empty; give at least one column or pixel.")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[3] == 3 and x.shape[1] != 3:
        x = x.transpose(0, 3, 1, 2)
    refuse_long_whole(x, f"{name}: inputs hold")
    precision = np.float32 if np.can_cast(x.dtype, np.float32) else np.float64
    tensor = torch.from_numpy(np.require(x, precision, ["C", "W"]))
    if bool((infinite := tensor.isinf()).any()):
        row = int(infinite.nonzero()[0, 0])
        raise UserError(f"{name}: inputs hold infinite values (row {row}); remove those rows.")
    return tensor
