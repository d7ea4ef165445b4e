"""The error of a model on a whole split."""

import torch

from ..data.splits import Split
from ..errors import UserError
from ..loss import IGNORE_INDEX
from ..types import ApplyFn, TaskLoss, Tensors

CHUNK = 1000


@torch.no_grad()
def evaluate(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, error: TaskLoss, chunk: int = CHUNK
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
    return mean_error(*outputs_on(apply_fn, theta, buffers, split, chunk), error, chunk)


@torch.no_grad()
def outputs_on(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, chunk: int = CHUNK
) -> tuple[torch.Tensor, torch.Tensor]:
    """The outputs of a model over a split, in evaluation mode, and the targets: of the examples that count.

    Args:
        apply_fn, theta, buffers, split, chunk: as in `evaluate`.

    Returns:
        Outputs `[n, ...]` and targets `[n, ...]`, on the split's device.

    Raises:
        UserError: no example counts.
    """
    if not split.y.is_floating_point() and bool((ignored := split.y == IGNORE_INDEX).any()):
        split = Split(split.x[~ignored], split.y[~ignored])
    if not len(split.y):
        raise UserError(
            "an error is a mean over examples, but got a split with none that counts; give it at least one."
        )
    parts = [apply_fn(theta, buffers, x, training=False)[0] for x in torch.split(split.x, chunk)]
    return torch.cat(parts), split.y


@torch.no_grad()
def mean_error(outputs: torch.Tensor, targets: torch.Tensor, error: TaskLoss, chunk: int = CHUNK) -> float:
    """The mean of an error over examples; `error(outputs, targets) -> [batch]` sees `chunk` of them at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for part, y in zip(torch.split(outputs, chunk), torch.split(targets, chunk), strict=True):
        total += error(part, y).sum().cpu().double()
    return float(total / len(targets))
