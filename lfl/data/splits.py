"""Splits of a data set: which rows are held out, a digest of the rows, and which rows a batch draws."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from ..randomness import generator
from ..trees import leaves, map_tree
from .stored import Stored
from .text import moved

SPLIT_SEED = 0
"""Seed of all splits: runs of different seeds differ in theta_0 and batches, not in data."""

DIGEST_BYTES = 16

DIGEST_ROWS = 256
"""Rows of stored inputs that are read for a digest."""


class Split(NamedTuple):
    """Inputs `[n, ...]`, or a tree of them, or `Stored`; and targets: class ids `[n]` or real values `[n, width]`.

    Of tokens both are ids `[n, length]`.
    """

    x: Any
    y: torch.Tensor

    def to(self, device: torch.device) -> "Split":
        """Moves the split to `device`."""
        return map_tree(lambda t: moved(t, device), self)  # type: ignore[no-any-return]

    def pick(self, rows: torch.Tensor | slice) -> "Split":
        """Returns the examples of these rows, in their order."""
        return map_tree(lambda t: t[rows], self)  # type: ignore[no-any-return]

    def subset(self, rows: torch.Tensor) -> "Split":
        """Returns the examples of these rows as `pick` does, but for stored inputs, of which none is read."""
        return map_tree(lambda t: t.subset(rows) if isinstance(t, Stored) else t[rows], self)  # type: ignore[no-any-return]

    def chunks(self, size: int) -> Iterator["Split"]:
        """Returns all examples in order, `size` at a time."""
        if isinstance(self.x, Stored):
            return map(Split, self.x.chunks(size), torch.split(self.y, size))
        return (self.pick(slice(i, i + size)) for i in range(0, len(self.y), size))


def held_out(y: torch.Tensor, size: float, *, stratified: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Chooses rows to hold out by a fixed shuffle.

    Args:
        y: targets `[n, ...]` of the rows.
        size: rows to hold out: an int is their number, a float their share.
        stratified: whether each class keeps its share in both parts; needs two rows of each class, and as many rows in
            each part as there are classes.

    Returns:
        Indices of the rows that stay, and of those held out; both ascending.
    """
    from sklearn.model_selection import train_test_split  # a slow import

    labels = y.numpy() if stratified else None
    kept, held = train_test_split(np.arange(len(y)), test_size=size, random_state=SPLIT_SEED, stratify=labels)
    return torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(held))


def hold_out(split: Split, size: float, *, stratified: bool) -> tuple[Split, Split]:
    """Splits rows into those that stay and those that `held_out` chooses; both in their original order."""
    kept, held = held_out(split.y, size, stratified=stratified)
    return split.pick(kept), split.pick(held)


def digest_of(*splits: Split | None) -> str:
    """Computes a digest of raw rows, before scaling, so that it is the same on every machine (blake2b, about 1 GB/s).

    Args:
        splits: inputs and targets of each partition; None for a missing one. Of stored inputs `DIGEST_ROWS` rows are
            read, which lie evenly apart.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for split in splits:
        for tensor in () if split is None else leaves(_sampled(split)):
            digest.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().reshape(-1).view("uint8").data)
        digest.update(b"end")
    return digest.hexdigest()


def _sampled(split: Split) -> Any:
    """Returns what of a split goes into its digest: all of it, or of stored inputs some rows and how many there are."""
    if not isinstance(split.x, Stored):
        return split
    rows = torch.linspace(0, len(split.x) - 1, min(DIGEST_ROWS, len(split.x))).long()
    return split.x.to(torch.device("cpu"))[rows], torch.tensor(len(split.x)), split.y


def draw_rows(num_rows: int, size: int, *, seed: int, stream: str, step: int) -> torch.Tensor:
    """Draws the rows of one step's batch; any step's batch can be drawn without those before it.

    Args:
        num_rows: rows of the split.
        size: examples in the batch.
        seed: the run's seed.
        stream: name of what the batch is for; streams are independent.
        step: the step.

    Returns:
        Row indices `[size]`, uniform with replacement, on the CPU.
    """
    return torch.randint(num_rows, (size,), generator=generator(seed, stream, step))
