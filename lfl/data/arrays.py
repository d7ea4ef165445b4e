"""Splits of a data set, and the scaling that is learned from its train split alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

SPLIT_SEED = 0
"""Splits are the same for every seed of a run: seeds differ in theta_0 and batches, not in data."""

ROWS_AT_ONCE = 1000
"""Rows that are in double precision at a time."""


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
    from sklearn.model_selection import train_test_split  # a slow import

    labels = split.y.numpy() if stratified else None
    kept, held = train_test_split(np.arange(len(split.y)), test_size=fraction, random_state=SPLIT_SEED, stratify=labels)
    kept, held = torch.from_numpy(np.sort(kept)), torch.from_numpy(np.sort(held))
    return Split(split.x[kept], split.y[kept]), Split(split.x[held], split.y[held])


class Scale(NamedTuple):
    """What standardises inputs: mean and deviation of each column or channel, in double precision."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """`(x - mean) / deviation` in float32, for inputs `[n, ...]`; what is missing (NaN) becomes the mean."""
        chunks = [(chunk.double() - self.mean) / self.deviation for chunk in torch.split(x, ROWS_AT_ONCE)]
        return torch.cat([chunk.nan_to_num(nan=0.0).float() for chunk in chunks])


def scale_of(train: torch.Tensor) -> Scale:
    """Mean and deviation of `train`: one pair a column of a table `[n, columns]`, or a channel of images `[n, c, ...]`.

    What is constant in `train` is only centred; what is missing (NaN) does not count.
    """
    dims = (0, *range(2, train.dim()))
    chunks = torch.split(train, ROWS_AT_ONCE)

    def total(of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.stack([of(chunk.double()).nansum(dims, keepdim=True)[0] for chunk in chunks]).sum(0)

    count = total(lambda x: (~x.isnan()).double()).clamp(min=1.0)
    mean = total(lambda x: x) / count
    deviation = (total(lambda x: (x - mean).square()) / count).sqrt()
    return Scale(mean, torch.where(deviation > 0, deviation, torch.ones_like(deviation)))


class Range(NamedTuple):
    """What maps real targets so that train spans [0, 1]: least and greatest value of each column, in double."""

    low: torch.Tensor
    high: torch.Tensor

    def __call__(self, y: torch.Tensor) -> torch.Tensor:
        """`(y - low) / (high - low)` in float32; what lies beyond train's range lies beyond [0, 1]."""
        return ((y.double() - self.low) / (self.high - self.low)).float()

    def back(self, y: torch.Tensor) -> torch.Tensor:
        """The other way, in double precision."""
        return y.double() * (self.high - self.low) + self.low


def range_of(train: torch.Tensor) -> Range:
    """The range of each column of train targets `[n, width]`."""
    return Range(train.double().amin(0), train.double().amax(0))
