"""A task from loaders, read once into arrays, and from data sets, which are read while a model trains."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, Unpack

import numpy as np
import torch

from ..data.limits import COPIES, check_memory, free_memory
from ..data.sources import is_dataset, is_pair, of_dataset, of_inputs, of_loader
from ..data.splits import Split
from ..data.stored import Stored
from ..errors import UserError, one_of, reason
from ..randomness import seeded
from ..trees import leaves, map_tree
from .arrays import FEWEST_TRAIN, STEPS
from .defaults import Defaults, for_regression
from .targets import KINDS, as_kind, labels_of
from .task import FEWEST_VALID, Held, Task, build_task

TARGETS = ("y", "target", "targets", "label", "labels")
"""Names of the targets in a batch that is a dict: the first that is there."""

IGNORED = -100
"""The class id of an example that does not count."""

ROWS_AT_ONCE = 64
"""Rows of a data set that are read at a time while its targets are collected."""

FORMS = "(x, y), or a dict of named inputs with the targets under one of " + ", ".join(TARGETS)


class Loaders(NamedTuple):
    """Data sets, or iterables of batches, for `lfl train --task module:function` and `lfl.train`.

    Args:
        train: the data to train on: what stays in memory or what is read while a model trains, as in
            `lfl.task_from_loaders`.
        valid: clean data of your own; a tenth of train when omitted.
        test: the data to report on; a fifth of train when omitted.
        kind: `"classification"`, `"regression"` or `"multilabel"`; whole numbers are classes when omitted.
        num_outputs: the number of classes, where train may lack the last; one more than the largest id when omitted.
        stream: whether the data sets of `DataLoader`s are read while a model trains, rather than once into memory.
        num_workers: processes that read data sets ahead; a `DataLoader` says so itself.
    """

    train: Any
    valid: Any = None
    test: Any = None
    kind: str | None = None
    num_outputs: int | None = None
    stream: bool = False
    num_workers: int = 0


def task_from_loaders(
    train: Any,
    valid: Any = None,
    test: Any = None,
    *,
    kind: str | None = None,
    num_outputs: int | None = None,
    stream: bool = False,
    num_workers: int = 0,
    name: str = "loaders",
    **held: Unpack[Held],
) -> Task:
    """Builds a `Task` from loaders or data sets; inputs and targets stay as these give them.

    A batch is `(x, y)`, or a dict that names the inputs and has the targets under `y`, `target`, `targets`, `label` or
    `labels`. x is a tensor or array, or a tree of them: a dict is handed to the model as `model(**x)`, a tuple as
    `model(*x)`, a list as one input. y holds class ids `[batch]`, -100 for an example that does not count, or real
    values `[batch]` or `[batch, width]`, or several labels `[batch, labels]`, each 0 or 1 (kind `"multilabel"`).

    Steps draw rows with replacement, as from any task: the loaders' own order does not matter, nor do their batches'
    sizes. Each of train, valid and test is one of these:

    In memory: an iterable of batches, such as a `DataLoader` or a list, is iterated once, and becomes arrays. Random
    augmentation is drawn once for each example. Torch's global generators start at one seed meanwhile, so that a
    `DataLoader` that shuffles gives the same rows in each process.

    Read while a model trains: a map-style `torch.utils.data.Dataset` of `(x, y)` or dicts; with `stream` a `DataLoader`
    over one; or a pair `(x, y)` of arrays, where x may be memory-mapped, a tree of arrays, or a `Dataset` of inputs
    alone. Targets are kept in memory: those of a data set are read in a pass over it, those of a pair are y. Torch's,
    numpy's and Python's global generators start at a seed of the run and the step for each batch, so that random
    augmentation is drawn anew in each batch, and the same one when a run is resumed, with any number of workers.

    Args:
        train, valid, test, kind, num_outputs, stream, num_workers: as in `Loaders`.
        name: name of the task.
        held: as in `task_from_arrays`.

    Returns:
        The task. Floating point inputs are in single precision; whole numbers keep their type, for embeddings.

    Raises:
        UserError: a batch of another form, examples of different shapes, targets of another kind, classes in valid or
            test beyond train's, too few examples, or more than a quarter of the free memory holds; a source that cannot
            be read by row, with `stream`.

    Example:
        >>> batches = [({"a": torch.rand(10, 3), "b": torch.rand(10, 2)}, torch.arange(10) % 2) for _ in range(5)]
        >>> task = task_from_loaders(batches)
        >>> task.kind, task.input_shape, len(task.train.y)
        ('classification', {'a': (3,), 'b': (2,)}, 36)
    """
    if kind is not None:
        one_of("kind", kind, KINDS)
    given = {"train": train, "valid": valid, "test": test}
    splits = {}
    for part, source in given.items():
        if source is not None:
            splits[part] = _split(source, f"{name}, {part}", stream=stream, num_workers=num_workers)
    first = splits["train"]
    if len(first.y) < FEWEST_TRAIN:
        raise UserError(
            f"{name} has {len(first.y)} train examples; give at least {FEWEST_TRAIN}, as some are held out."
        )
    if "valid" in splits and len(splits["valid"].y) < FEWEST_VALID:
        raise UserError(f"{name}: valid has {len(splits['valid'].y)} examples; give at least {FEWEST_VALID}, or none.")
    shape = _shapes(first)
    wanted = as_kind(kind or ("regression" if first.y.is_floating_point() else "classification"))
    for part, split in splits.items():
        if _shapes(split) != shape:
            raise UserError(f"{name}: {part} has inputs {_shapes(split)} and train {shape}; give both the same.")
    if wanted == "classification":
        num_outputs = _num_classes(splits, num_outputs, name)
    elif wanted == "multilabel":
        targets, num_outputs = labels_of({part: split.y.numpy() for part, split in splits.items()}, name)
        splits = {part: Split(split.x, targets[part]) for part, split in splits.items()}
    else:
        splits = {part: Split(split.x, _values(split.y, f"{name}, {part}")) for part, split in splits.items()}
        widths = {part: split.y.shape[1] for part, split in splits.items()}
        num_outputs = num_outputs or widths["train"]
        if set(widths.values()) != {num_outputs}:
            raise UserError(f"{name}: targets must have {num_outputs} columns in each part, got {widths}.")
    settings = Defaults(STEPS, 0.01, theta_init="architecture")
    return build_task(
        name,
        wanted,
        splits["train"],
        splits.get("test"),
        num_outputs,
        for_regression(settings) if wanted == "regression" else settings,
        valid=splits.get("valid"),
        as_given=True,
        **held,
    )


def _split(source: Any, where: str, *, stream: bool, num_workers: int) -> Split:
    """Returns a source as a split, in memory or stored."""
    if is_pair(source):
        x, y = source[0], torch.as_tensor(np.asarray(source[1]))
        inputs = of_inputs(x, where, num_workers).then(_single)
        if len(y.shape) == 0 or len(inputs) != len(y):
            raise UserError(f"{where}: {len(inputs)} inputs and targets {list(y.shape)}; each input needs one target.")
        return Split(inputs, y)
    if is_dataset(source) or stream:
        whole = of_dataset(source, where, num_workers) if is_dataset(source) else of_loader(source, where)
        return _passed(whole.then(partial(_batch, where=where)))
    if isinstance(source, torch.utils.data.IterableDataset):
        raise UserError(
            f"{where}: an IterableDataset has no rows that could be drawn by number; wrap it into a DataLoader, which "
            "is read once into memory, or write a map-style Dataset, with __len__ and __getitem__."
        )
    return _collected(source, where)


def _passed(whole: Stored) -> Split:
    """Passes once over all examples: keeps the targets, and checks that all inputs are alike."""
    targets: list[torch.Tensor] = []
    first = None
    for x, y in whole.chunks(ROWS_AT_ONCE):
        alike = map_tree(lambda t: (tuple(t.shape[1:]), t.dtype), x)
        first = alike if first is None else first
        if alike != first or (targets and (y.shape[1:], y.dtype) != (targets[0].shape[1:], targets[0].dtype)):
            row = sum(map(len, targets))
            raise UserError(
                f"{whole.where}: examples from row {row} on are of another shape or type than the first; give all one "
                "shape (pad sequences) and one type."
            )
        targets.append(y)
    return Split(whole.then(itemgetter(0)).then(_single), torch.cat(targets))


def _single(x: Any) -> Any:
    """Returns inputs in single precision; whole numbers keep their type."""
    return map_tree(lambda t: t.float() if t.is_floating_point() else t, x)


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
                    COPIES * size, where, "give stream=True or the Dataset itself, to read it while the model trains"
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
    return Split(_single(x), y)


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
            f"{where}: inputs {shapes} and targets {list(y.shape)} must have one first dimension, the examples."
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
    return map_tree(lambda t: tuple(t.shape[1:]), split.pick(slice(1)).x)


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
