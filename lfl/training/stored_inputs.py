"""The inputs of a step's batch where they are stored: the same rows as in memory, read when they are needed."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..data.splits import draw_rows
from ..data.stored import Ahead, RowsToRead, Stored, reading_seed
from ..settings import Settings
from ..task import Task
from ..task.corruption import Corrupted


def stored_inputs(
    task: Task, settings: Settings, seeds: Sequence[int], corrupted: Sequence[Corrupted] | None
) -> dict[str, Callable[[str, int], list[Any]]]:
    """Returns for each split with stored inputs `inputs(stream, step)`, a batch for each seed, on the task's device.

    Images that will be augmented have their margin.

    Args:
        task, settings: of the run.
        seeds: of the run, or of each of those that train together.
        corrupted: what each of them trains on; None for the whole of train.
    """
    train = task.train.x if task.augmentation is None else task.augmentation.padded
    ways: dict[str, Callable[[str, int], list[Any]]] = {}
    for split, stored in (("train", train), ("valid", task.valid.x)):
        if isinstance(stored, Stored):
            changed = corrupted if split == "train" else None
            ways[split] = _inputs(stored, settings, seeds, changed)
    return ways


def _inputs(
    stored: Stored, settings: Settings, seeds: Sequence[int], changed: Sequence[Corrupted] | None
) -> Callable[[str, int], list[Any]]:
    left: Sequence[torch.Tensor | None] = [None] * len(seeds) if changed is None else [each.rows for each in changed]

    def batches(stream: str, step: int) -> list[RowsToRead]:
        found = []
        for seed, rows in zip(seeds, left, strict=True):
            count = len(stored) if rows is None else len(rows)
            picked = draw_rows(count, settings.batch_size, seed=seed, stream=stream, step=step)
            own = picked if rows is None else rows[picked]
            found.append(stored.wanted(own, reading_seed(seed, stream, step)))
        return found

    return Ahead(stored, batches, {"valid": settings.meta_every}).at
