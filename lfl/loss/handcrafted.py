"""Losses made by hand, one value an example, and the errors that results are quoted in."""

import torch
import torch.nn.functional as F

from ..errors import UserError


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
    return (outputs - targets).square().flatten(1).mean(1) if outputs.dim() > 1 else (outputs - targets).square()


def error_rate(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1 where the largest of the logits `[batch, classes]` is not the class `[batch]`, else 0."""
    return (outputs.argmax(-1) != targets).to(outputs.dtype)


def one_hot(targets: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Class ids `[batch]` as booleans `[batch, classes]`; `F.one_hot` does not run under the transforms."""
    if targets.is_floating_point() or targets.dim() != 1:
        raise UserError(
            f"classification wants class ids, integers [batch], but targets {list(targets.shape)} of "
            f"{targets.dtype} came; real-valued targets are for regression."
        )
    return targets[:, None] == torch.arange(num_classes, device=targets.device)


def same_shape(outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Raise `UserError` unless predictions and targets have one shape."""
    if outputs.shape != targets.shape:
        raise UserError(
            f"outputs {list(outputs.shape)} and targets {list(targets.shape)} differ in shape; reshape the "
            "targets to that of the outputs."
        )
