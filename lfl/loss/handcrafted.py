"""Hand-made losses, one value for each example, and the error rate."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from ..errors import UserError
from .classes import IGNORE_INDEX, Classes, as_classes, values_are_visible
from .weighted import check_weight, factors, scale_by, spread, without_weight

SMALLEST_REST = 1e-7
"""The smallest probability of the other classes in sparse label smoothing."""


def cross_entropy(outputs: torch.Tensor, targets: Any, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes the cross-entropy of logits against class ids or soft labels.

        -log softmax(outputs)[targets]        of soft labels p: -sum_k p_k log softmax(outputs)_k

    Args:
        outputs: logits `[batch, classes]` or `[batch, classes, ...]`, floating point; or one logit z of class 1 against
            class 0, `[batch]`, `[batch, 1]` or `[batch, 1, ...]`, which becomes the two logits (0, z): binary
            cross-entropy with logits.
        targets: class ids `[batch]` or `[batch, ...]`, integers; 0 or 1 for one logit. Or soft labels of the outputs'
            shape, floating-point probabilities; other losses then are the expected loss, sum_k p_k loss(k). Either
            may be `lfl.Weighted`.
        ignore_index: class id of ignored examples or positions.

    Returns:
        Losses `[batch]` in nats; of dense targets the mean over an example's positions. Those of ignored examples are 0
        and the others are scaled by batch / counted, so that `.mean()` is the mean over all counted examples or
        positions, as in torch; NaN if all are ignored.

    Raises:
        UserError: shapes that do not fit, or fit two layouts (`lfl.in_layout`); soft labels that are no probabilities,
            or a class id out of range, if its value can be read: in an eager program, and on a GPU outside transforms.
            Elsewhere (vmapped, compiled) the loss of such a class id is NaN.

    Example:
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
        >>> cross_entropy(torch.zeros(2, 4), torch.tensor([2, -100])).mean()
        tensor(1.3863)
    """
    classes = as_classes(outputs, targets, ignore_index)
    return classes.over_counted(expected(classes))


def squared_error(outputs: torch.Tensor, targets: Any) -> torch.Tensor:
    """Computes the squared error, a mean over the outputs.

        1/C sum_i (f_i - y_i)^2

    Args:
        outputs: predictions `[batch]`, `[batch, width]` or `[batch, ...]`.
        targets: real values of the same shape; or `lfl.Weighted`, with a weight for each example or each value.

    Returns:
        Losses `[batch]`; with weights scaled, so that `.mean()` is the weighted mean.

    Raises:
        UserError: the shapes differ (broadcasting would compare every prediction with every target).

    Example:
        >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([2.])
    """
    return _of_values(outputs, targets, lambda f, y: (f - y).square())


def absolute_error(outputs: torch.Tensor, targets: Any) -> torch.Tensor:
    """Computes the absolute error, a mean over the outputs.

        1/C sum_i |f_i - y_i|

    Args, Returns, Raises: as `squared_error`.
    """
    return _of_values(outputs, targets, lambda f, y: (f - y).abs())


def huber(outputs: torch.Tensor, targets: Any, delta: float = 1.0) -> torch.Tensor:
    """Computes the Huber loss: squared near zero, linear beyond `delta`; a mean over the outputs.

        e^2 / 2  where |e| < delta,  else  delta (|e| - delta / 2)        e = f_i - y_i

    Args:
        outputs, targets: as in `squared_error`.
        delta: the error at which squared becomes linear.

    Returns:
        Losses `[batch]`.

    Source: Huber (1964); `torch.nn.functional.huber_loss`.
    """
    return _of_values(outputs, targets, partial(F.huber_loss, reduction="none", delta=delta))


def focal(outputs: torch.Tensor, targets: Any, gamma: float = 2.0, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes the focal loss: cross-entropy with less weight on examples that are already right.

        -(1 - p_t)^gamma log p_t        p_t the probability of the true class

    Args:
        outputs, targets, ignore_index: as in `cross_entropy`.
        gamma: strength of the weighting; 0 is cross-entropy.

    Returns, Raises: as `cross_entropy`.

    Source: Lin et al. (2017), eq. 4.
    """
    classes = as_classes(outputs, targets, ignore_index)
    return classes.over_counted(expected(classes, partial(_focal, gamma=gamma)))


def label_smoothing(
    outputs: torch.Tensor, targets: Any, smoothing: float = 0.1, *, ignore_index: int = IGNORE_INDEX
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
    true = of_true(classes, log_f)
    return classes.over_counted(-(1 - smoothing) * true - smoothing * log_f.mean(-1))


def generalised_cross_entropy(
    outputs: torch.Tensor, targets: Any, q: float = 0.7, *, ignore_index: int = IGNORE_INDEX
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
    return classes.over_counted(expected(classes, lambda ce: -torch.expm1(-q * ce) / q))


def absolute_cross_entropy(
    outputs: torch.Tensor,
    targets: Any,
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
    return classes.over_counted(expected(classes, lambda ce: scale * (math.log(sharpness) - ce).abs()))


def sparse_label_smoothing(
    outputs: torch.Tensor, targets: Any, smoothing: float = 0.1, *, ignore_index: int = IGNORE_INDEX
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
    share = smoothing * (num_classes - 1) / num_classes

    def of_class(log_true: torch.Tensor) -> torch.Tensor:
        log_rest = (-torch.expm1(log_true)).clamp(min=SMALLEST_REST).log()
        return -(1 - share) * log_true - share * (log_rest - math.log(num_classes - 1))

    if classes.shares is not None:
        return classes.over_counted(expected(classes, lambda ce: of_class(-ce)))
    log_true = classes.logits.gather(-1, classes.ids[:, None]).squeeze(-1) - classes.logits.logsumexp(-1)
    return classes.over_counted(of_class(log_true))


def error_rate(outputs: torch.Tensor, targets: torch.Tensor, *, ignore_index: int = IGNORE_INDEX) -> torch.Tensor:
    """Computes 1 if the class of the largest logit is wrong, else 0; one logit means class 1 if above 0.

    Args, Returns, Raises: as `cross_entropy`.
    """
    classes = as_classes(outputs, targets, ignore_index)
    best = classes.logits.argmax(-1)
    if classes.shares is not None:
        return classes.over_counted(1 - classes.shares.gather(1, best[:, None])[:, 0])
    return classes.over_counted((best != classes.ids).to(outputs.dtype))


def same_shape(outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Raises `UserError` unless predictions and targets have one shape."""
    if outputs.shape != targets.shape:
        raise UserError(
            f"outputs {list(outputs.shape)} and targets {list(targets.shape)} differ in shape; reshape the "
            "targets to that of the outputs."
        )


def of_true(classes: Classes, values: torch.Tensor) -> torch.Tensor:
    """Values `[rows]` of the true class among those of all classes, `[rows, classes]`; expected ones of soft labels."""
    if classes.shares is not None:
        return (classes.shares * values).sum(-1)
    return torch.where(classes.one_hot, values, 0.0).sum(-1)


def _itself(ce: torch.Tensor) -> torch.Tensor:
    return ce


def expected(classes: Classes, of_cross_entropy: Callable[[torch.Tensor], torch.Tensor] = _itself) -> torch.Tensor:
    """Losses `[rows]` that are a function of the true class's cross-entropy; of soft labels sum_k p_k loss(k)."""
    log_f = F.log_softmax(classes.logits, -1)
    if classes.shares is not None:
        return of_true(classes, of_cross_entropy(-log_f))
    return of_cross_entropy(-of_true(classes, log_f))


def _focal(ce: torch.Tensor, *, gamma: float) -> torch.Tensor:
    wrong = 1 - torch.exp(-ce)
    # A fractional power has no finite derivative at zero.
    safe = torch.where(wrong > 0, wrong, torch.ones_like(wrong))
    return torch.where(wrong > 0, safe**gamma, torch.zeros_like(wrong)) * ce if gamma else ce


def real_values(outputs: torch.Tensor, targets: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Checks real-valued targets, and returns them with the factors of their weights, of the outputs' shape, or None.

    Targets of weight 0 become 0, so that what is missing may be NaN.

    Raises:
        UserError: shapes that differ; a weight of another shape or below 0.
    """
    y, weight = without_weight(targets)
    same_shape(outputs, y)
    if weight is None:
        return y, None
    if values_are_visible(weight):
        check_weight(weight)
    weight = spread(weight, outputs.shape, outputs.dtype)
    return torch.where(weight != 0, y, 0.0), factors(weight)


def _of_values(
    outputs: torch.Tensor, targets: Any, error: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    y, scale = real_values(outputs, targets)
    errors = error(outputs, y) if scale is None else scale_by(scale, error(outputs, y))
    return errors.flatten(1).mean(1) if errors.dim() > 1 else errors
