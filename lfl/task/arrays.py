"""A task from a user's own arrays: the kind of target is inferred unless it is given."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import numpy as np
import torch

from ..data.sources import picked
from ..data.splits import Split
from ..data.stored import Stored
from ..errors import UserError, one_of
from .defaults import PAD, Defaults, colour_images, for_regression
from .targets import KINDS, as_kind, classes_of, infer_kind, labels_of, refuse_long_whole, to_array, values_of
from .task import FEWEST_VALID, Held, Task, build_task

STEPS = 10_000
"""Default training steps."""

FEWEST_TRAIN = 20
"""The fewest train rows, before any are held out."""


def task_from_arrays(
    x_train: Any,
    y_train: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    x_valid: Any = None,
    y_valid: Any = None,
    name: str = "arrays",
    kind: str | None = None,
    **held: Unpack[Held],
) -> Task:
    """Builds a `Task` from arrays: valid and test are held out of train unless given; inputs are standardised.

    Args:
        x_train: inputs, numbers `[n, columns]` or images `[n, height, width]`, `[n, channels, height, width]` or
            `[n, height, width, channels]` with 3 channels. Missing values (NaN) of a column become its train mean.
            A `numpy.memmap` stays in its file, and is read batch by batch while a model trains.
        y_train: targets: class names or ids `[n]` or `[n, 1]`, one-hot rows `[n, classes]`, or real values `[n]` or
            `[n, width]`.
        x_test, y_test: the test partition; 20 % of the rows by a fixed shuffle when omitted.
        x_valid, y_valid: your own clean data, on which a learned loss is evaluated: encoded by train, as the test
            partition is, and kept out of training. Held out of train when omitted.
        name: name of the task.
        kind: `"classification"`, `"regression"`, or `"multilabel"`: y is `[n, labels]`, each 0 or 1 by itself. When
            omitted, targets are classes if they are words, one-hot rows, or whole numbers with few distinct values.
        held: `valid_size`, the rows of train that become valid (10 % when omitted), and `eval_split`, whether a fourth
            split is held out of train.

    Returns:
        The task: class ids in the order of the sorted names; real targets scaled so that train spans [0, 1].

    Raises:
        UserError: shapes that do not fit, values that are neither numbers nor words, missing or infinite targets,
            classes in valid or test that train lacks, too few rows, or a `valid_size` that is too large.

    Example:
        >>> import numpy as np
        >>> task = task_from_arrays(np.random.rand(50, 3), np.repeat(["a", "b"], 25))
        >>> task.kind, task.num_outputs
        ('classification', 2)
    """
    if kind is not None:
        one_of("kind", kind, KINDS)
    given = {"train": (x_train, y_train)}
    for part, x, y in (("valid", x_valid, y_valid), ("test", x_test, y_test)):
        if (x is None) != (y is None):
            raise UserError(f"x_{part} and y_{part} belong together, got only one; give both or neither.")
        if x is not None:
            given[part] = (x, y)
    inputs = {part: _inputs(x, _where(name, part)) for part, (x, _) in given.items()}
    labels = {part: to_array(y, f"{_where(name, part)}: targets") for part, (_, y) in given.items()}
    _check_rows(inputs, labels, name)
    found = as_kind(kind or infer_kind(labels["train"]))
    classes: list[Any] | None = None
    if found == "classification":
        targets, classes = classes_of(labels, name)
        num_outputs = len(classes)
    elif found == "multilabel":
        targets, num_outputs = labels_of(labels, name)
    else:
        targets, num_outputs = values_of(labels, name)
    splits = {part: Split(x, targets[part]) for part, x in inputs.items()}
    train = splits["train"]
    shape = _row_shape(train.x)
    images = len(shape) == 3
    settings = colour_images(STEPS) if images else Defaults(STEPS, 0.01)
    if found == "regression":
        settings = for_regression(settings)
    task = build_task(
        name,
        found,
        train,
        splits.get("test"),
        num_outputs,
        settings,
        valid=splits.get("valid"),
        pad=PAD if images and found != "regression" and shape[0] == 3 else None,
        **held,
    )
    own = "x_valid" if "valid" in splits else None
    return replace(task, encoding=replace(task.encoding, classes=classes), valid_from=own)


def _where(name: str, part: str) -> str:
    return name if part == "train" else f"{name}, {part}"


def _row_shape(x: torch.Tensor | Stored) -> tuple[int, ...]:
    return tuple(x[:1].shape[1:])


def _check_rows(inputs: dict[str, torch.Tensor | Stored], labels: dict[str, np.ndarray], name: str) -> None:
    """Raises `UserError` unless each input has a target, all have one shape, and there are enough rows."""
    train = inputs["train"]
    for part, x in inputs.items():
        if len(x) != _count(labels[part]):
            raise UserError(
                f"{_where(name, part)}: {len(x)} inputs and {_count(labels[part])} targets; each input needs one "
                "target."
            )
        shapes = _row_shape(train), _row_shape(x)
        if shapes[0] != shapes[1]:
            raise UserError(
                f"{name}: train inputs are {list(shapes[0])} and {part} inputs {list(shapes[1])}; give both the same "
                "shape."
            )
    if len(train) < FEWEST_TRAIN:
        raise UserError(f"{name} has {len(train)} train rows; give at least {FEWEST_TRAIN}, since some are held out.")
    if "valid" in inputs and len(inputs["valid"]) < FEWEST_VALID:
        raise UserError(
            f"{name}: the clean data (valid) have {len(inputs['valid'])} rows; give at least {FEWEST_VALID}, or "
            "none, and some are split off train."
        )
    if "test" in inputs and not len(inputs["test"]):
        raise UserError(f"{name}: the test part has no rows; give some, or leave x_test and y_test out.")


def _count(array: np.ndarray) -> int:
    return len(array) if array.ndim else 0


def _inputs(x: Any, name: str) -> torch.Tensor | Stored:
    """Converts inputs to a tensor; memory-mapped ones when they are read."""
    if not isinstance(x, np.memmap):
        return to_inputs(x, name)
    x = _in_order(x, name)
    return Stored(partial(_read, x, name), torch.arange(len(x)), name, random=False)


def _read(x: np.ndarray, name: str, rows: Sequence[int]) -> torch.Tensor:
    return _to_tensor(picked(x, rows), name, rows)


def to_inputs(x: Any, name: str) -> torch.Tensor:
    """Converts inputs to a tensor `[n, columns]` or `[n, channels, height, width]`.

    Args:
        x: as `task_from_arrays` takes them.
        name: of the data, for errors.

    Returns:
        In single precision if that holds every value of their type, else in double, so that inputs far from zero keep
        their digits until they are scaled.

    Raises:
        UserError: neither rows of numbers nor images, no columns, infinite values, or whole numbers beyond 2**53.
    """
    x = _in_order(to_array(x, f"{name}: inputs"), name)
    return _to_tensor(x, name, range(len(x)))


def _in_order(x: np.ndarray, name: str) -> np.ndarray:
    """Returns inputs as a view `[n, columns]` or `[n, channels, height, width]`; raises `UserError` for others."""
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
    return x


def _to_tensor(x: np.ndarray, name: str, rows: Sequence[int]) -> torch.Tensor:
    refuse_long_whole(x, f"{name}: inputs hold", rows)
    precision = np.float32 if np.can_cast(x.dtype, np.float32) else np.float64
    tensor = torch.from_numpy(np.require(x, precision, ["C", "W"]))
    if bool((infinite := tensor.isinf()).any()):
        row = rows[int(infinite.nonzero()[0, 0])]
        raise UserError(f"{name}: inputs hold infinite values (row {row}); remove those rows.")
    return tensor
