"""The error of a model on a whole split."""

import torch

from ..data.arrays import Split
from ..errors import UserError
from ..loss import IGNORE_INDEX
from ..types import ApplyFn, TaskLoss, Tensors


@torch.no_grad()
def evaluate(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, error: TaskLoss, chunk: int = 1000
) -> float:
    """Mean error over a split, in evaluation mode (running statistics, no dropout).

    Args:
        apply_fn, theta, buffers: the model.
        split: all its examples count once, but those whose class id is -100 do not.
        error: `error(outputs, targets) -> [batch]`.
        chunk: examples a pass; the result does not depend on it beyond rounding.

    Returns:
        Error rate from 0 to 1, or mean squared error.

    Raises:
        UserError: no example counts.
    """
    if not split.y.is_floating_point() and bool((ignored := split.y == IGNORE_INDEX).any()):
        split = Split(split.x[~ignored], split.y[~ignored])
    if not len(split.y):
        raise UserError(
            "an error is a mean over examples, but got a split with none that counts; give it at least one."
        )
    total = torch.zeros((), dtype=torch.float64)
    for x, y in zip(torch.split(split.x, chunk), torch.split(split.y, chunk), strict=True):
        outputs, _ = apply_fn(theta, buffers, x, training=False)
        total += error(outputs, y).sum().cpu().double()
    return float(total / len(split.y))
