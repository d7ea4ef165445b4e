"""Several labels of an example, each 0 or 1 by itself: every label is an example with two classes."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from ..errors import UserError
from ..types import TaskLoss
from .classes import IGNORE_INDEX, Classes, as_classes, values_are_visible
from .weighted import Weighted, spread, without_weight


def as_labels(outputs: torch.Tensor, targets: Any, ignore_index: int = IGNORE_INDEX) -> Classes:
    """Converts outputs and labels to rows of two classes, one for each label, and checks them.

    Args:
        outputs: logits `[batch, labels]` or `[batch, ...]`; z becomes the logits (0, z).
        targets: labels of the outputs' shape: 0 and 1, integers or booleans; or probabilities, floating point. Either
            may be `Weighted`, with a weight for each example or each label.
        ignore_index: label that does not count, among integers.

    Returns:
        The `Classes`: rows `[batch * labels, 2]`, class ids of whole labels and soft labels of floating-point ones.

    Raises:
        UserError: shapes that differ; a label that is neither 0 nor 1, or a probability out of range, if its value can
            be read.
    """
    y, weight = without_weight(targets)
    if outputs.shape != y.shape or outputs.dim() == 0:
        raise UserError(
            f"several labels need outputs [batch, labels] and targets of the same shape, each 0 or 1, got "
            f"{list(outputs.shape)} and {list(y.shape)}; class ids [batch] are for classification."
        )
    flat = y.to(torch.uint8).reshape(-1) if y.dtype == torch.bool else y.reshape(-1)
    if y.is_floating_point() and weight is None and values_are_visible(y) and not bool(((y >= 0) & (y <= 1)).all()):
        wrong = y[~((y >= 0) & (y <= 1))].flatten()[0].item()
        raise UserError(f"labels are 0, 1 or a probability between, got {wrong:g}; real values are for regression.")
    given = flat if weight is None else Weighted(flat, spread(weight, y.shape, outputs.dtype).reshape(-1))
    return as_classes(outputs.reshape(-1), given, ignore_index)._replace(batch=outputs.shape[0])


def binary_cross_entropy(
    outputs: torch.Tensor,
    targets: Any,
    *,
    pos_weight: torch.Tensor | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> torch.Tensor:
    """Computes the binary cross-entropy of logits of independent labels, a mean over the labels.

        1/L sum_i -w_i y_i log p_i - (1 - y_i) log(1 - p_i)        p_i = sigmoid(outputs_i), w = pos_weight

    Args:
        outputs, targets, ignore_index: as in `as_labels`.
        pos_weight: factors on the loss of labels that are 1, of a shape that broadcasts to the outputs'; None for 1.

    Returns:
        Losses `[batch]` in nats. Ignored labels are left out: the others are scaled so that `.mean()` is the mean over
        all labels that count.

    Raises:
        UserError: as `as_labels`.

    Example:
        >>> binary_cross_entropy(torch.zeros(1, 3), torch.tensor([[0, 1, 1]]))
        tensor([0.6931])

    Source: `torch.nn.functional.binary_cross_entropy_with_logits`.
    """
    labels = as_labels(outputs, targets, ignore_index)
    y = labels.ids.to(outputs.dtype) if labels.shares is None else labels.shares[:, 1]
    losses = F.binary_cross_entropy_with_logits(
        outputs, y.reshape(outputs.shape), reduction="none", pos_weight=pos_weight
    )
    return labels.over_counted(losses.reshape(-1))


def each_label(loss: TaskLoss) -> TaskLoss:
    """Makes a hand-made loss of classes one of several labels: a mean over labels, each an example with two classes.

    Args:
        loss: `loss(logits, ids) -> [rows]` of logits `[rows, 2]` and class ids `[rows]`, or soft labels, such as
            `lfl.focal` or `lfl.generalised_cross_entropy`; objectives, too, which then take all labels together.

    Returns:
        `loss(outputs, targets) -> [batch]` of logits and labels, both `[batch, labels]` or `[batch, ...]`.

    Example:
        >>> from lfl import focal
        >>> each_label(focal)(torch.zeros(1, 3), torch.tensor([[0, 1, 1]]))
        tensor([0.1733])
    """
    return partial(_each_label, loss)


def _each_label(loss: Callable[..., torch.Tensor], outputs: torch.Tensor, targets: Any) -> torch.Tensor:
    labels = as_labels(outputs, targets)
    losses = loss(labels.logits, labels.ids if labels.shares is None else labels.shares)
    return labels.over_counted(losses)
