"""Splits of a data set, and the scaling that is learned from its train split alone."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch

from ..randomness import generator

SPLIT_SEED = 0
"""Splits are the same for every seed of a run: seeds differ in theta_0 and batches, not in data."""

DIGEST_BYTES = 16


class Split(NamedTuple):
    """Inputs `[n, ...]` and targets: class ids `[n]`, or real values `[n, width]`."""

    x: torch.Tensor
    y: torch.Tensor

    def to(self, device: torch.device) -> "Split":
        """The same split on `device`."""
        return Split(self.x.to(device), self.y.to(device))


def held_out(y: torch.Tensor, size: float, *, stratified: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose rows to take away by a fixed shuffle, keeping class shares where `stratified`.

    Args:
        y: targets `[n, ...]` of the rows.
        size: how many are taken: an int is their number, a float a fraction.
        stratified: whether each class keeps its share; needs two rows of each, and one for each in both parts.

    Returns:
        The numbers of the rows that stay, and of those held out; both ascending.
    """
    from sklearn.model_selection import train_test_split  # a slow import

    labels = y.numpy() if stratified else None
    kept, held = train_test_split(np.arange(len(y)), test_size=size, random_state=SPLIT_SEED, stratify=labels)
    return torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(held))


def hold_out(split: Split, size: float, *, stratified: bool) -> tuple[Split, Split]:
    """The rows of a split that stay, and those that `held_out` takes away; both in the order of the original."""
    kept, held = held_out(split.y, size, stratified=stratified)
    return Split(split.x[kept], split.y[kept]), Split(split.x[held], split.y[held])


def digest_of(*splits: Split | None) -> str:
    """A digest of rows before they are scaled, so that it is the same on every machine; blake2b, about 1 GB a second.

    Args:
        splits: inputs and targets of each partition; None for one that is not there.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for split in splits:
        for tensor in split or ():
            digest.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().reshape(-1).view("uint8").data)
        digest.update(b"end")
    return digest.hexdigest()


def draw_rows(num_rows: int, size: int, *, seed: int, stream: str, step: int) -> torch.Tensor:
    """The rows of one step's batch.

    Args:
        num_rows: rows of the split.
        size: number of examples.
        seed: the run's seed.
        stream: what the batch is for; streams are independent.
        step: the step it is for.

    Returns:
        Row numbers `[size]`, uniform with replacement, on the CPU.
    """
    return torch.randint(num_rows, (size,), generator=generator(seed, stream, step))
