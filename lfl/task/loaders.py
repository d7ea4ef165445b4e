"""A task from loaders: iterables of batches, which are read once into arrays and then drawn from as any task's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np
import torch

from ..data.limits import COPIES, check_memory, free_memory
from ..data.splits import Split
from ..errors import UserError, one_of, reason
from ..randomness import seeded
from ..trees import leaves, map_tree
from .arrays import FEWEST_TRAIN, STEPS
from .defaults import Defaults, for_regression
from .task import FEWEST_VALID, Held, Task, build_task

TARGETS = ("y", "target", "targets", "label", "labels")
"""Names of the targets in a batch that is a dict: the first that is there."""

IGNORED = -100
"""The class id of an example that does not count."""

FORMS = "(x, y), or a dict of named inputs with the targets under one of " + ", ".join(TARGETS)


class Loaders(NamedTuple):
    """Iterables of batches, such as `DataLoader`s and lists, for `lfl train --task module:function`.

    Args:
        train: batches of the data to train on.
        valid: batches of clean data of your own; a tenth of train when omitted.
        test: batches of the data to report on; a fifth of train when omitted.
        kind: `"classification"` or `"regression"`; whole numbers are classes when omitted.
        num_outputs: the number of classes, where train may lack the last; one more than the largest id when omitted.
    """

    train: Iterable[Any]
    valid: Iterable[Any] | None = None
    test: Iterable[Any] | None = None
    kind: str | None = None
    num_outputs: int | None = None


def task_from_loaders(
    train: Iterable[Any],
    valid: Iterable[Any] | None = None,
    test: Iterable[Any] | None = None,
    *,
    kind: str | None = None,
    num_outputs: int | None = None,
    name: str = "loaders",
    **held: Unpack[Held],
) -> Task:
    """Builds a `Task` from loaders, each of which is iterated once; inputs and targets stay as the loaders give them.

    A batch is `(x, y)`, or a dict that names the inputs and has the targets under `y`, `target`, `targets`, `label` or
    `labels`. x is a tensor or array, or a tree of them: a dict is handed to the model as `model(**x)`, a tuple as
    `model(*x)`, a list as one input. y holds class ids `[batch]`, -100 for an example that does not count, or real
    values `[batch]` or `[batch, width]`.

    All batches together become arrays, from which steps draw with replacement as from any task: the loaders' own order
    does not matter, nor do their batches' sizes, and random augmentation is drawn once for each example. Torch's global
    generators start at one seed while a loader is iterated, so that a `DataLoader` that shuffles gives the same rows in
    each process.

    Args:
        train, valid, test, kind, num_outputs: as in `Loaders`.
        name: name of the task.
        held: as in `task_from_arrays`.

    Returns:
        The task. Floating point inputs are in single precision; whole numbers keep their type, for embeddings.

    Raises:
        UserError: a batch of another form, examples of different shapes, targets of another kind, classes in valid or
            test beyond train's, too few examples, or more than a quarter of the free memory holds.

    Example:
        >>> batches = [({"a": torch.rand(10, 3), "b": torch.rand(10, 2)}, torch.arange(10) % 2) for _ in range(5)]
        >>> task = task_from_loaders(batches)
        >>> task.kind, task.input_shape, len(task.train.y)
        ('classification', {'a': (3,), 'b': (2,)}, 36)
    """
    if kind is not None:
        one_of("kind", kind, ["classification", "regression"])
    given = {"train": train, "valid": valid, "test": test}
    splits = {part: _collected(loader, f"{name}, {part}") for part, loader in given.items() if loader is not None}
    first = splits["train"]
    if len(first.y) < FEWEST_TRAIN:
        raise UserError(
            f"{name} has {len(first.y)} train examples; give at least {FEWEST_TRAIN}, as some are held out."
        )
    if "valid" in splits and len(splits["valid"].y) < FEWEST_VALID:
        raise UserError(f"{name}: valid has {len(splits['valid'].y)} examples; give at least {FEWEST_VALID}, or none.")
    shape, wanted = _shapes(first), kind or ("regression" if first.y.is_floating_point() else "classification")
    for part, split in splits.items():
        if _shapes(split) != shape:
            raise UserError(f"{name}: {part} has inputs {_shapes(split)} and train {shape}; give both the same.")
    if wanted == "classification":
        num_outputs = _num_classes(splits, num_outputs, name)
    else:
        splits = {part: Split(split.x, _values(split.y, f"{name}, {part}")) for part, split in splits.items()}
        widths = {part: split.y.shape[1] for part, split in splits.items()}
        num_outputs = num_outputs or widths["train"]
        if set(widths.values()) != {num_outputs}:
            raise UserError(f"{name}: targets must have {num_outputs} columns in each part, got {widths}.")
    settings = Defaults(STEPS, 0.01, theta_init="architecture")
    return build_task(
        name,
        "classification" if wanted == "classification" else "regression",
        splits["train"],
        splits.get("test"),
        num_outputs,
        settings if wanted == "classification" else for_regression(settings),
        valid=splits.get("valid"),
        as_given=True,
        **held,
    )


def _collected(loader: Iterable[Any], where: str) -> Split:
    """Iterates a loader once and puts its batches together."""
    parts: list[tuple[Any, torch.Tensor]] = []
    size, most = 0, free_memory() // COPIES
    with seeded(0, ()):
        try:
            batches = iter(loader)
        except TypeError as error:
            raise UserError(f"{where}: a loader must be iterable, got a {type(loader).__name__}.") from error
        for batch in batches:
            parts.append(_batch(batch, f"{where}, batch {len(parts)}"))
            size += sum(t.numel() * t.element_size() for t in leaves(parts[-1]))
            if size > most:
                check_memory(
                    COPIES * size, where, "give fewer examples, or write a loop of your own with lfl.meta_step"
                )
    if not parts:
        raise UserError(f"{where}: the loader gives no batch; one that was iterated before must start again.")
    try:
        x, y = map_tree(lambda *same: torch.cat(same), *parts)
    except (RuntimeError, ValueError, TypeError) as error:
        raise UserError(
            f"{where}: batches do not fit together ({reason(error)}); give all examples one shape (pad sequences), and "
            "all batches the same inputs."
        ) from error
    return Split(map_tree(lambda t: t.float() if t.is_floating_point() else t, x), y)


def _batch(batch: Any, where: str) -> tuple[Any, torch.Tensor]:
    """Returns the inputs and the targets of one batch, as tensors on the CPU."""
    if isinstance(batch, Mapping):
        name = next((name for name in TARGETS if name in batch), None)
        if name is None:
            raise UserError(f"{where} must be {FORMS}, got a dict of {', '.join(map(str, batch))}.")
        x: Any = {key: value for key, value in batch.items() if key != name}
        x, y = x["x"] if x.keys() == {"x"} else x, batch[name]
    elif isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) == 2:
        x, y = batch
    else:
        form = f"{len(batch)} entries" if isinstance(batch, Sequence) else f"a {type(batch).__name__}"
        raise UserError(f"{where} must be {FORMS}, got {form}; several inputs are one tuple, ((x_1, x_2), y).")
    x, y = map_tree(lambda leaf: _tensor(leaf, where), (dict(x) if isinstance(x, Mapping) else x, y))
    if not isinstance(y, torch.Tensor):
        raise UserError(f"{where}: targets must be one tensor, got a {type(y).__name__}; for others use lfl.meta_step.")
    rows = {tuple(t.shape[:1]) for t in leaves((x, y))}
    if not leaves(x) or () in rows or len(rows) > 1:
        shapes = ", ".join(str(list(t.shape)) for t in leaves(x))
        raise UserError(
            f"{where}: inputs {shapes} and targets {list(y.shape)} must have one first dimension, the examples; wrap a "
            "Dataset into a torch.utils.data.DataLoader."
        )
    return x, y


def _tensor(leaf: Any, where: str) -> torch.Tensor:
    if not isinstance(leaf, (torch.Tensor, np.ndarray, np.generic)):
        raise UserError(f"{where} must hold tensors or arrays, got a {type(leaf).__name__}; convert or leave it out.")
    try:
        return torch.as_tensor(leaf).detach().cpu()
    except TypeError as error:
        raise UserError(f"{where} must hold numbers ({reason(error)}); convert them, or leave them out.") from error


def _shapes(split: Split) -> Any:
    """Shape of one input: a tuple of sizes, or a tree of these."""
    return map_tree(lambda t: tuple(t.shape[1:]), split.x)


def _num_classes(splits: dict[str, Split], num_outputs: int | None, name: str) -> int:
    """Returns the number of classes, after a check of all class ids."""
    found = num_outputs
    for part, split in splits.items():
        ids = split.y
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool or ids.dim() != 1:
            raise UserError(
                f"{name}: class ids must be whole numbers [batch], got {ids.dtype} {list(ids.shape[1:])} for one "
                f"example in {part}; real values are kind='regression', other targets are for lfl.meta_step."
            )
        counted = ids[ids != IGNORED]
        if not len(counted):
            raise UserError(f"{name}: no example of {part} has a class; at least one must.")
        found = int(counted.max()) + 1 if found is None else found  # train comes first
        if int(counted.min()) < 0 or int(counted.max()) >= max(found, 2):
            raise UserError(
                f"{name}: class ids of {part} go from {int(counted.min())} to {int(counted.max())}, and there are "
                f"{found} classes, from 0 on; give num_outputs where train lacks the last."
            )
    return max(found or 0, 2)


def _values(y: torch.Tensor, where: str) -> torch.Tensor:
    """Returns real targets as `[n, width]` in single precision."""
    if y.dim() not in (1, 2) or y.is_complex():
        raise UserError(f"{where}: real targets must be [batch] or [batch, width], got {list(y.shape)}.")
    y = y.reshape(len(y), -1).float()
    if not bool(y.isfinite().all()):
        raise UserError(f"{where}: targets hold values that are not finite; remove those examples.")
    return y
