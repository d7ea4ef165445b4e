"""Batches drawn with replacement, by seed and step: any step's batch can be had without the ones before."""

import torch

from ..randomness import generator
from .arrays import Split


def draw_batch(split: Split, size: int, *, seed: int, stream: str, step: int) -> Split:
    """The batch of one step.

    Args:
        split: whole split, on the device where the batch is wanted.
        size: number of examples.
        seed: the run's seed.
        stream: what the batch is for; streams are independent.
        step: the step it is for.

    Returns:
        Examples `[size, ...]` and their targets, uniform with replacement.
    """
    rows = torch.randint(len(split.y), (size,), generator=generator(seed, stream, step))
    rows = rows.to(split.x.device)
    return Split(split.x[rows], split.y[rows])
