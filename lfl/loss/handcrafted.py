"""Hand-made losses, one value for each example, and the error rate."""

import math

import torch
import torch.nn.functional as F

from ..errors import UserError
from .classes import IGNORE_INDEX, Classes, as_classes

SMALLEST_REST = 1e-7
"""The smallest probability of the other classes in sparse label smoothing."""


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes the cross-entropy of logits against class ids.

        -log softmax(outputs)[targets]

    Args:
        outputs: logits `[batch, classes]`, floating point; or one logit z of class 1 against class 0, `[batch]` or
            `[batch, 1]`, which becomes the two logits (0, z): binary cross-entropy with logits.
        targets: class ids `[batch]`, integers; 0 or 1 for one logit.
        ignore_index: class id of ignored examples.

    Returns:
        Losses `[batch]` in nats. Those of ignored examples are 0 and the others are scaled by batch / counted, so that
        `.mean()` is the mean over counted examples, as in torch; NaN if all are ignored.

    Raises:
        UserError: shapes that do not fit; a class id out of range, if its value can be read: in an eager program, and
            on a GPU outside transforms. Elsewhere (vmapped, compiled) its loss is NaN.

    Example:
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
        >>> cross_entropy(torch.zeros(2, 4), torch.tensor([2, -100])).mean()
        tensor(1.3863)
    """
    classes = as_classes(outputs, targets, ignore_index)
    return classes.over_counted(_cross_entropy(classes))


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Computes the squared error, a mean over the outputs.

        1/C sum_i (f_i - y_i)^2

    Args:
        outputs: predictions `[batch]` or `[batch, width]`.
        targets: real values of the same shape.

    Returns:
        Losses `[batch]`.

    Raises:
        UserError: the shapes differ (broadcasting would compare every prediction with every target).

    Example:
        >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([2.])
    """
    same_shape(outputs, targets)
    return _over_outputs((outputs - targets).square())


def absolute_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Computes the absolute error, a mean over the outputs.

        1/C sum_i |f_i - y_i|

    Args, Returns, Raises: as `squared_error`.
    """
    same_shape(outputs, targets)
    return _over_outputs((outputs - targets).abs())


def huber(outputs: torch.Tensor, targets: torch.Tensor, delta: float = 1.0) -> torch.Tensor:
    """Computes the Huber loss: squared near zero, linear beyond `delta`; a mean over the outputs.

        e^2 / 2  where |e| < delta,  else  delta (|e| - delta / 2)        e = f_i - y_i

    Args:
        outputs, targets: as in `squared_error`.
        delta: the error at which squared becomes linear.

    Returns:
        Losses `[batch]`.

    Source: Huber (1964); `torch.nn.functional.huber_loss`.
    """
    same_shape(outputs, targets)
    return _over_outputs(F.huber_loss(outputs, targets, reduction="none", delta=delta))


def focal(
    outputs: torch.Tensor, targets: torch.Tensor, gamma: float = 2.0, *, ignore_index: int = IGNORE_INDEX
) -> torch.Tensor:
    """Computes the focal loss: cross-entropy with less weight on examples that are already right.

        -(1 - p_t)^gamma log p_t        p_t the probability of the true class

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.
        gamma: strength of the weighting; 0 is cross-entropy.

    Returns, Raises: as `cross_entropy`.

    Source: Lin et al. (2017), eq. 4.
    """
    classes = as_classes(outputs, targets, ignore_index)
    ce = _cross_entropy(classes)
    wrong = 1 - torch.exp(-ce)
    # A fractional power has no finite derivative at zero.
    safe = torch.where(wrong > 0, wrong, torch.ones_like(wrong))
    losses = torch.where(wrong > 0, safe**gamma, torch.zeros_like(wrong)) * ce if gamma else ce
    return classes.over_counted(losses)


def label_smoothing(
    outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.1, *, ignore_index: int = IGNORE_INDEX
) -> torch.Tensor:
    """Computes cross-entropy with label smoothing: a share of the target is spread evenly over all classes.

        -(1 - xi) log f_t - xi/C sum_i log f_i        xi = smoothing, t the true class

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.
        smoothing: the share, from 0 to 1.

    Returns, Raises: as `cross_entropy`.

    Source: Szegedy et al. (2016), section 7.
    """
    classes = as_classes(outputs, targets, ignore_index)
    log_f = F.log_softmax(classes.logits, -1)
    true = torch.where(classes.one_hot, log_f, 0.0).sum(-1)
    return classes.over_counted(-(1 - smoothing) * true - smoothing * log_f.mean(-1))


def generalised_cross_entropy(
    outputs: torch.Tensor, targets: torch.Tensor, q: float = 0.7, *, ignore_index: int = IGNORE_INDEX
) -> torch.Tensor:
    """Computes the generalised cross-entropy, between cross-entropy and absolute error, for data with wrong labels.

        (1 - p_t^q) / q        p_t the probability of the true class

    As q goes to 0 it becomes cross-entropy. At q = 1 it is 1 - p_t, half the absolute error, on which wrong labels
    have the least influence.

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.
        q: above 0, at most 1.

    Returns, Raises: as `cross_entropy`.

    Source: Zhang and Sabuncu (2018), eq. 6.
    """
    classes = as_classes(outputs, targets, ignore_index)
    return classes.over_counted(-torch.expm1(-q * _cross_entropy(classes)) / q)


def absolute_cross_entropy(
    outputs: torch.Tensor,
    targets: torch.Tensor,
    scale: float = 1.0,
    sharpness: float = 1.1,
    *,
    ignore_index: int = IGNORE_INDEX,
) -> torch.Tensor:
    """Computes absolute cross-entropy: cross-entropy with sharpened probabilities, folded up below zero.

        phi_0 |log(phi_1 f_t)|        phi_0 = scale, phi_1 = sharpness, t the true class

    For phi_1 > 1 the minimum is at f_t = 1 / phi_1, below 1, as in label smoothing.

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.
        scale, sharpness: phi_0 and phi_1, both above 0.

    Returns, Raises: as `cross_entropy`.

    Source: Raymond et al. (2023), the loss found by EvoMAL (ACE).
    """
    classes = as_classes(outputs, targets, ignore_index)
    return classes.over_counted(scale * (math.log(sharpness) - _cross_entropy(classes)).abs())


def sparse_label_smoothing(
    outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.1, *, ignore_index: int = IGNORE_INDEX
) -> torch.Tensor:
    """Computes sparse label smoothing, which depends on the true class's probability alone.

        -(1 - xi + xi/C) log f_t - xi (C-1)/C log((1 - f_t) / (C-1))        xi = smoothing, t the true class

    The probabilities of the other classes are replaced by their mean, so that only the normaliser needs all classes.
    1 - f_t is at least 1e-7.

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.
        smoothing: the share, from 0 to 1.

    Returns, Raises: as `cross_entropy`.

    Source: Raymond (2024), SparseLSR.
    """
    classes = as_classes(outputs, targets, ignore_index)
    num_classes = classes.logits.shape[1]
    log_true = classes.logits.gather(-1, classes.ids[:, None]).squeeze(-1) - classes.logits.logsumexp(-1)
    log_rest = (-torch.expm1(log_true)).clamp(min=SMALLEST_REST).log()
    share = smoothing * (num_classes - 1) / num_classes
    return classes.over_counted(-(1 - share) * log_true - share * (log_rest - math.log(num_classes - 1)))


def error_rate(outputs: torch.Tensor, targets: torch.Tensor, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes 1 if the class of the largest logit is wrong, else 0; one logit means class 1 if above 0.

    Args, Returns, Raises: as `cross_entropy`.
    """
    classes = as_classes(outputs, targets, ignore_index)
    return classes.over_counted((classes.logits.argmax(-1) != classes.ids).to(outputs.dtype))


def same_shape(outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Raises `UserError` unless predictions and targets have one shape."""
    if outputs.shape != targets.shape:
        raise UserError(
            f"outputs {list(outputs.shape)} and targets {list(targets.shape)} differ in shape; reshape the "
            "targets to that of the outputs."
        )


def _cross_entropy(classes: Classes) -> torch.Tensor:
    return -torch.where(classes.one_hot, F.log_softmax(classes.logits, -1), 0.0).sum(-1)


def _over_outputs(errors: torch.Tensor) -> torch.Tensor:
    """Mean over all dimensions but the first."""
    return errors.flatten(1).mean(1) if errors.dim() > 1 else errors
