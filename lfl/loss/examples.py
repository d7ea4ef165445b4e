"""A loss of whole examples, of class ids or real values, for soft labels and for weights."""

import torch

from ..types import TaskLoss
from .classes import Classes
from .weighted import factors, scale_by, spread

CLASSES_AT_ONCE = 64
"""Classes whose expected loss is evaluated at once; memory grows with it."""


def expected_over_classes(loss: TaskLoss, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Computes expected losses `[batch]` of a loss of class ids, which is evaluated once for each class.

    Args:
        loss: `loss(logits, ids) -> [batch]`.
        logits, shares: `[batch, classes]`, outputs and class probabilities.
    """

    def of_class(k: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        return share * loss(logits, k.expand(logits.shape[0]))

    classes = torch.arange(logits.shape[1], device=logits.device)
    return torch.func.vmap(of_class, (0, 1), chunk_size=CLASSES_AT_ONCE)(classes, shares).sum(0)


def of_rows(loss: TaskLoss, classes: Classes) -> torch.Tensor:
    """Computes losses `[rows]` of a loss of class ids; expected ones of soft labels."""
    if classes.shares is None:
        return loss(classes.logits, classes.ids)
    return expected_over_classes(loss, classes.logits, classes.shares)


def weighted_examples(loss: TaskLoss, outputs: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Computes losses `[batch]` of real values, scaled so that their mean is weighted by `weight`, `[batch]`."""
    losses = loss(outputs, y)
    return scale_by(factors(spread(weight, losses.shape, losses.dtype)), losses)
