"""Losses made by hand, one value an example, and the errors that results are quoted in."""

import math

import torch
import torch.nn.functional as F

from ..errors import UserError
from ..types import Kind, TaskLoss

SMALLEST_REST = 1e-7
"""The least probability of the other classes in sparse label smoothing."""


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits against class ids.

        -log softmax(outputs)[targets]

    Args:
        outputs: logits `[batch, classes]`, floating point.
        targets: class ids `[batch]`, integers.

    Returns:
        Losses `[batch]` in nats.

    Example:
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
    """
    return -torch.where(one_hot(targets, outputs.shape[-1]), F.log_softmax(outputs, -1), 0.0).sum(-1)


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Squared error, mean over the outputs.

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
    """Absolute error, mean over the outputs.

        1/C sum_i |f_i - y_i|

    Args, Returns, Raises: as `squared_error`.
    """
    same_shape(outputs, targets)
    return _over_outputs((outputs - targets).abs())


def huber(outputs: torch.Tensor, targets: torch.Tensor, delta: float = 1.0) -> torch.Tensor:
    """Squared near zero, linear beyond `delta`; mean over the outputs.

        e^2 / 2  where |e| < delta,  else  delta (|e| - delta / 2)        e = f_i - y_i

    Args:
        outputs, targets: as in `squared_error`.
        delta: where one passes into the other.

    Returns:
        Losses `[batch]`.

    Source: Huber (1964); `torch.nn.functional.huber_loss`.
    """
    same_shape(outputs, targets)
    return _over_outputs(F.huber_loss(outputs, targets, reduction="none", delta=delta))


def focal(outputs: torch.Tensor, targets: torch.Tensor, gamma: float = 2.0) -> torch.Tensor:
    """Cross-entropy that turns away from examples that are right already.

        -(1 - p_t)^gamma log p_t        p_t the probability of the true class

    Args:
        outputs, targets: as in `cross_entropy`.
        gamma: how far it turns away; 0 is cross-entropy.

    Returns:
        Losses `[batch]`.

    Source: Lin et al. (2017), eq. 4.
    """
    ce = cross_entropy(outputs, targets)
    wrong = 1 - torch.exp(-ce)
    # The derivative of a fractional power has no value at zero.
    safe = torch.where(wrong > 0, wrong, torch.ones_like(wrong))
    return torch.where(wrong > 0, safe**gamma, torch.zeros_like(wrong)) * ce if gamma else ce


def label_smoothing(outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.1) -> torch.Tensor:
    """Cross-entropy with a share of the target spread evenly over all classes.

        -(1 - xi) log f_t - xi/C sum_i log f_i        xi = smoothing, t the true class

    Args:
        outputs, targets: as in `cross_entropy`.
        smoothing: the share, from 0 to 1.

    Returns:
        Losses `[batch]`.

    Source: Szegedy et al. (2016), section 7.
    """
    log_f = F.log_softmax(outputs, -1)
    true = torch.where(one_hot(targets, outputs.shape[-1]), log_f, 0.0).sum(-1)
    return -(1 - smoothing) * true - smoothing * log_f.mean(-1)


def absolute_cross_entropy(
    outputs: torch.Tensor, targets: torch.Tensor, scale: float = 1.0, sharpness: float = 1.1
) -> torch.Tensor:
    """Cross-entropy folded up where the true class is more than likely enough.

        phi_0 |log(phi_1 f_t)|        phi_0 = scale, phi_1 = sharpness, t the true class

    For phi_1 > 1 its minimum lies at f_t = 1 / phi_1 below 1, as in label smoothing.

    Args:
        outputs, targets: as in `cross_entropy`.
        scale, sharpness: phi_0 and phi_1, both above 0.

    Returns:
        Losses `[batch]`.

    Source: Raymond et al. (2023), the loss found by EvoMAL (ACE).
    """
    return scale * (math.log(sharpness) - cross_entropy(outputs, targets)).abs()


def sparse_label_smoothing(outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.1) -> torch.Tensor:
    """Label smoothing that touches the true class's probability alone.

        -(1 - xi + xi/C) log f_t - xi (C-1)/C log((1 - f_t) / (C-1))        xi = smoothing, t the true class

    The other classes' probabilities are taken at their mean, so that nothing but the normaliser goes over all
    classes. 1 - f_t is not taken below 1e-7.

    Args:
        outputs, targets: as in `cross_entropy`; at least two classes.
        smoothing: the share, from 0 to 1.

    Returns:
        Losses `[batch]`.

    Raises:
        UserError: a single class.

    Source: Raymond (2024), SparseLSR.
    """
    classes = outputs.shape[-1]
    if classes < 2:
        raise UserError(f"sparse label smoothing needs at least two classes, but outputs {list(outputs.shape)} came.")
    class_ids(targets)
    log_true = outputs.gather(-1, targets[:, None]).squeeze(-1) - outputs.logsumexp(-1)
    log_rest = (-torch.expm1(log_true)).clamp(min=SMALLEST_REST).log()
    share = smoothing * (classes - 1) / classes
    return -(1 - share) * log_true - share * (log_rest - math.log(classes - 1))


def error_rate(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1 where the largest of the logits `[batch, classes]` is not the class `[batch]`, else 0."""
    return (outputs.argmax(-1) != targets).to(outputs.dtype)


def one_hot(targets: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Class ids `[batch]` as booleans `[batch, classes]`; `F.one_hot` does not run under the transforms."""
    class_ids(targets)
    return targets[:, None] == torch.arange(num_classes, device=targets.device)


def class_ids(targets: torch.Tensor) -> None:
    """Raise `UserError` unless targets are integers `[batch]`."""
    if targets.is_floating_point() or targets.dim() != 1:
        raise UserError(
            f"classification wants class ids, integers [batch], but targets {list(targets.shape)} of "
            f"{targets.dtype} came; real-valued targets are for regression."
        )


def same_shape(outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Raise `UserError` unless predictions and targets have one shape."""
    if outputs.shape != targets.shape:
        raise UserError(
            f"outputs {list(outputs.shape)} and targets {list(targets.shape)} differ in shape; reshape the "
            "targets to that of the outputs."
        )


def _over_outputs(errors: torch.Tensor) -> torch.Tensor:
    """Mean over all dimensions but the batch's."""
    return errors.flatten(1).mean(1) if errors.dim() > 1 else errors


HANDCRAFTED: dict[Kind, dict[str, TaskLoss]] = {
    "classification": {
        "cross-entropy": cross_entropy,
        "focal": focal,
        "label-smoothing": label_smoothing,
        "absolute-cross-entropy": absolute_cross_entropy,
        "sparse-label-smoothing": sparse_label_smoothing,
    },
    "regression": {"squared-error": squared_error, "absolute-error": absolute_error, "huber": huber},
}
"""Losses by name for each kind of target, the task's own first."""
