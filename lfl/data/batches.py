"""Batches drawn with replacement, by seed and step: any step's batch can be had without the ones before."""

import torch

from ..randomness import generator


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
