"""From raw splits to a task: what is held out, and how inputs and targets are scaled."""

import torch

from ..data.arrays import Split, hold_out, range_of, scale_of
from ..data.augment import augmentation_of
from ..data.digest import digest_of
from ..errors import UserError
from ..types import Kind
from .encoding import Encoding
from .task import Defaults, Task

VALID_FRACTION = 0.1
"""Of train, for valid; and once more for eval where it is asked for."""

TEST_FRACTION = 0.2
"""Of all rows, where there is no test partition."""


def build_task(
    name: str,
    kind: Kind,
    train: Split,
    test: Split | None,
    num_outputs: int,
    defaults: Defaults,
    *,
    eval_split: bool = False,
    pad: int | None = None,
) -> Task:
    """Hold out valid (and test, and eval), and scale by the statistics of what is left of train.

    Classes keep their shares in each split where every class has rows enough.

    Args:
        name, kind, num_outputs, defaults: those of the task.
        train, test: raw rows; without a test partition 20 % are held out by a fixed shuffle.
        eval_split: whether a fourth split is held out.
        pad: augments train images by flips and by crops from so many pixels of black around; None for no augmentation.

    Raises:
        UserError: inputs or targets that cannot be scaled.
    """
    digest = digest_of(train, test)
    if test is None:
        train, test = hold_out(train, TEST_FRACTION, stratified=_stratifies(kind, train))
    train, valid = hold_out(train, VALID_FRACTION, stratified=_stratifies(kind, train))
    splits = [train, valid, test]
    if eval_split:
        splits[0], held = hold_out(train, VALID_FRACTION, stratified=_stratifies(kind, train))
        splits.append(held)
    targets = [split.y for split in splits]
    try:
        scale = scale_of(splits[0].x)
        span = range_of(targets[0]) if kind == "regression" else None
        if span is not None:
            targets = [span(y) for y in targets]
        scaled = [Split(scale(split.x), y) for split, y in zip(splits, targets, strict=True)]
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    augmentation = None
    if pad is not None:
        black = scale(torch.zeros_like(train.x[:1, :, :1, :1]))[0]
        augmentation = augmentation_of(scaled[0].x, pad=pad, fill=black)
        scaled[0] = Split(augmentation.images, scaled[0].y)
    fourth = scaled[3] if eval_split else None
    names = None if kind == "regression" else list(range(num_outputs))
    encoding = Encoding(kind, tuple(train.x.shape[1:]), num_outputs, scale, span, names)
    return Task(name, encoding, scaled[0], scaled[1], scaled[2], defaults, augmentation, fourth, digest)


def _stratifies(kind: Kind, rows: Split) -> bool:
    """Whether every class can keep its share: it takes two rows of each, and a row of each for what is held out."""
    if kind == "regression":
        return False
    counts = torch.unique(rows.y, return_counts=True)[1]
    return bool(counts.min() >= 2) and len(counts) <= VALID_FRACTION * len(rows.y)
