"""Objectives: the losses by which a learned loss is evaluated on clean data."""

from typing import Any

import torch
import torch.nn.functional as F

from .classes import IGNORE_INDEX, Classes, as_classes
from .handcrafted import expected


def balanced_cross_entropy(outputs: torch.Tensor, targets: Any, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes cross-entropy in which all classes of the batch weigh the same, however rare.

        w_i ce_i        w_i = batch / (classes of the batch * examples of i's class in the batch)

    The mean over the batch is the mean of the mean cross-entropies of its classes. Classes that are not in the batch
    have no influence.

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.

    Returns:
        Losses `[batch]`. The weights depend on the other examples of the batch.

    Raises:
        UserError: as `cross_entropy`.

    Example:
        >>> even = torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.9, 0.1]]))
        >>> balanced_cross_entropy(even, torch.tensor([0, 0, 0, 1])).mean()  # (log 2 + log 10) / 2
        tensor(1.4979)

    Source: the weights are scikit-learn's `class_weight="balanced"` (King and Zeng, 2001), taken in each batch.
    """
    classes = as_classes(
        outputs, targets, ignore_index, soft="balanced cross-entropy counts the examples of each class"
    )
    losses = classes.scaled(expected(classes))
    examples = (_counted(classes) * classes.one_hot).sum(0)
    there = examples > 0
    of_own_class = torch.where(classes.one_hot, torch.where(there, examples, 1.0), 0.0).sum(1)
    return classes.of_examples(losses * (len(losses) / (there.sum() * of_own_class)).to(losses.dtype))


def brier(outputs: torch.Tensor, targets: Any, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes the Brier score: the squared distance between the probabilities and the one-hot target.

        sum_i (p_i - y_i)^2        p = softmax(outputs), y the one-hot target or the soft label; from 0 to 2

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.

    Returns, Raises: as `cross_entropy`.

    Example:
        >>> brier(torch.zeros(1, 2), torch.tensor([1]))
        tensor([0.5000])

    Source: Brier (1950).
    """
    classes = as_classes(outputs, targets, ignore_index)
    y = classes.one_hot.to(classes.logits.dtype) if classes.shares is None else classes.shares
    off = F.softmax(classes.logits, -1) - y
    return classes.over_counted(off.square().sum(-1))


def soft_f1(outputs: torch.Tensor, targets: Any, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes 1 - macro F1, with probabilities in place of decisions so that it has a gradient.

        1 - mean_c 2 TP_c / (2 TP_c + FP_c + FN_c)        TP_c = sum_i p_ic y_ic
                                                          2 TP_c + FP_c + FN_c = sum_i p_ic + y_ic

    The mean is over the classes in the batch. If each probability is 0 or 1, macro F1 is scikit-learn's
    `f1_score(average="macro")` over these classes.

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.

    Returns:
        `[batch]`: the value of the whole batch, repeated for each example, so that `.mean()` is the value. It is not a
        sum over examples: the value of a batch is not the mean of those of its halves. It is coarse for small batches
        of many classes.

    Raises:
        UserError: as `cross_entropy`.

    Example:
        >>> sure = torch.tensor([[50.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
        >>> soft_f1(sure, torch.tensor([0, 1, 1]))  # 1 - (2/3 + 2/3) / 2
        tensor([0.3333, 0.3333, 0.3333])
    """
    classes = as_classes(outputs, targets, ignore_index, soft="soft F1 counts the examples of each class")
    p = F.softmax(classes.logits, -1)
    counted = _counted(classes).to(p.dtype)
    hits, true = ((counted * torch.where(classes.one_hot, each, 0.0)).sum(0) for each in (p, torch.ones_like(p)))
    there = true > 0
    f1 = torch.where(there, 2 * hits, 0.0) / torch.where(there, (counted * p).sum(0) + true, 1.0)
    return classes.of_examples((1 - f1.sum() / there.sum()) + torch.zeros_like(p[:, 0]))


def _counted(classes: Classes) -> torch.Tensor:
    """Weights `[rows, 1]`: 0 for ignored rows, the same positive number for all others, times their weight."""
    wide = torch.promote_types(classes.logits.dtype, torch.float32)
    return classes.scaled(torch.ones_like(classes.logits[:, 0], dtype=wide))[:, None]
