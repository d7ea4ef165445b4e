"""How rows are read out of what holds them: map-style data sets, loaders over them, arrays and memory-mapped files."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from ..errors import UserError
from ..trees import leaves, map_tree
from .stored import Stored, Workers

KEPT = ("multiprocessing_context", "prefetch_factor", "timeout", "worker_init_fn")
"""Arguments of a loader that its workers keep."""


def is_dataset(source: Any) -> bool:
    """Whether a source is a map-style data set: a `Dataset` with a length, whose examples are asked for by number."""
    return isinstance(source, Dataset) and not isinstance(source, IterableDataset) and hasattr(source, "__len__")


def is_pair(source: Any) -> bool:
    """Whether a source is inputs and targets, `(x, y)`, rather than batches of them."""
    if not isinstance(source, tuple) or len(source) != 2 or not isinstance(source[1], (np.ndarray, torch.Tensor)):
        return False
    return all(isinstance(leaf, (np.ndarray, torch.Tensor)) or is_dataset(leaf) for leaf in leaves(source[0]))


def of_dataset(dataset: Any, where: str, num_workers: int) -> Stored:
    """Returns the batches of a map-style data set, as torch's own collation makes them, but for tuples of inputs."""
    return _stored(partial(_examples, dataset, _collated), _length(dataset, where), where, Workers(num_workers))


def of_loader(loader: Any, where: str) -> Stored:
    """Returns the batches of the data set of a loader, collated as it does and read by as many workers.

    Raises:
        UserError: it is no loader over a map-style data set, or it draws from part of it or with weights.
    """
    if not isinstance(loader, DataLoader) or not is_dataset(loader.dataset):
        got = type(loader.dataset if isinstance(loader, DataLoader) else loader).__name__
        raise UserError(
            f"{where}: only examples that can be asked for by number are read while a model trains (stream=True): a "
            f"map-style Dataset, or a DataLoader over one, got a {got}. Leave stream out, and it is read once into "
            "memory."
        )
    if type(loader.sampler) not in (SequentialSampler, RandomSampler) or type(loader.batch_sampler) is not BatchSampler:
        odd = type(loader.batch_sampler if type(loader.sampler) is SequentialSampler else loader.sampler).__name__
        raise UserError(
            f"{where}: rows are drawn by the run's seed, and this loader has a {odd} of its own; give it the examples "
            "that count, torch.utils.data.Subset(dataset, rows), and batches by batch_size."
        )
    options = {name: getattr(loader, name) for name in KEPT if loader.num_workers}
    fetch = partial(_examples, loader.dataset, loader.collate_fn)
    return _stored(fetch, _length(loader.dataset, where), where, Workers(loader.num_workers, options))


def of_inputs(x: Any, where: str, num_workers: int) -> Stored:
    """Returns the batches of inputs alone: a tree of arrays, memory-mapped or not, or of data sets of inputs."""
    lengths = {_length(leaf, where) for leaf in leaves(x)}
    if len(lengths) != 1:
        raise UserError(f"{where}: inputs have {sorted(lengths)} examples; give one of each for each target.")
    drawn = any(is_dataset(leaf) for leaf in leaves(x))
    workers = Workers(num_workers)
    return _stored(partial(_of_tree, x), lengths.pop(), where, workers, random=drawn)


def _stored(
    fetch: Callable[[Sequence[int]], Any], count: int, where: str, workers: Workers, *, random: bool = True
) -> Stored:
    return Stored(fetch, torch.arange(count), where, workers, random=random)


def _length(source: Any, where: str) -> int:
    count = len(source)
    if not count:
        raise UserError(f"{where} holds no examples; give some, or leave it out.")
    return count


def _of_tree(x: Any, rows: Sequence[int]) -> Any:
    def read(leaf: Any) -> Any:
        if is_dataset(leaf):
            return _examples(leaf, _collated, rows)
        return leaf[list(rows)] if isinstance(leaf, torch.Tensor) else torch.from_numpy(picked(leaf, rows))

    return map_tree(read, x)


def picked(array: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Returns rows of an array in memory; of a file they are read in its order, and each once."""
    wanted, back = np.unique(np.asarray(rows, np.int64), return_inverse=True)
    return np.ascontiguousarray(array[wanted])[back]


def _examples(dataset: Any, collate: Callable[[list[Any]], Any], rows: Sequence[int]) -> Any:
    many = getattr(dataset, "__getitems__", None)
    return collate([dataset[row] for row in rows] if many is None else many(list(rows)))


def _collated(examples: Any) -> Any:
    """Puts examples together; a tuple of inputs stays one, since it says how a model is called."""
    batch = default_collate(examples)
    if isinstance(examples, list) and isinstance(examples[0], tuple) and not isinstance(batch, Mapping):
        inputs = examples[0][0]
        return (tuple(batch[0]) if isinstance(inputs, tuple) else batch[0], *batch[1:])
    return batch
