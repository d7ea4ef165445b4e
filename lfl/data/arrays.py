"""Splits of a data set, and the scaling that is learned from its train split alone."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.model_selection import train_test_split

SPLIT_SEED = 0
"""Splits are the same for every seed of a run: seeds differ in theta_0 and batches, not in data."""


class Split(NamedTuple):
    """Inputs `[n, ...]` and targets: class ids `[n]`, or real values `[n, width]`."""

    x: torch.Tensor
    y: torch.Tensor

    def to(self, device: torch.device) -> "Split":
        """The same split on `device`."""
        return Split(self.x.to(device), self.y.to(device))


def hold_out(split: Split, fraction: float, *, stratified: bool) -> tuple[Split, Split]:
    """Take `fraction` of the rows away by a fixed shuffle, keeping class shares where `stratified`.

    Returns:
        The rows that stay, and the rows held out; both in the order of the original.
    """
    labels = split.y.numpy() if stratified else None
    kept, held = train_test_split(np.arange(len(split.y)), test_size=fraction, random_state=SPLIT_SEED, stratify=labels)
    kept, held = torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(held))
    return Split(split.x[kept], split.y[kept]), Split(split.x[held], split.y[held])


def standardise(train: torch.Tensor, *others: torch.Tensor, per_column: bool) -> tuple[torch.Tensor, ...]:
    """Subtract the mean of `train` and divide by its deviation: one pair for all pixels, or one a column.

    A column that is constant in `train` is only centred.
    """
    dims = (0,) if per_column else tuple(range(train.dim()))
    mean = train.double().mean(dims)
    deviation = train.double().std(dims, correction=0)
    deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    return tuple(((x.double() - mean) / deviation).float() for x in (train, *others))


def to_unit_range(train: torch.Tensor, *others: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Map each column so that `train` spans [0, 1]; other splits may reach beyond."""
    low, high = train.double().amin(0), train.double().amax(0)
    return tuple(((y.double() - low) / (high - low)).float() for y in (train, *others))
