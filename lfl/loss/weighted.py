"""Targets with weights or masks, and losses scaled so that their mean is the weighted mean."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from functools import reduce
from typing import Any, NamedTuple

import torch

from ..errors import UserError


class Weighted(NamedTuple):
    """Targets with a weight for each example, or for each position or value of it; a mask is weights of true and false.

        batch loss = sum_i w_i l_i / sum_i w_i

    It takes the place of the targets in a batch, `(x, lfl.Weighted(y, weight))`, and in a call of a loss. What has
    weight 0 has no influence, whatever its target is: NaN too. If all weights are 0 the mean is NaN, as in torch when
    all targets are ignored.

    Args:
        y: targets of any kind.
        weight: `[batch]`, or the leading dimensions of what has a loss of its own: `[batch, ...]` of the class ids, of
            real values, or `[batch, labels]`; at least 0; booleans are a mask.

    Example:
        >>> from lfl import squared_error
        >>> y = Weighted(torch.tensor([1.0, float("nan"), 3.0]), torch.tensor([1.0, 0.0, 3.0]))
        >>> squared_error(torch.tensor([2.0, 2.0, 2.0]), y).mean()
        tensor(1.)
    """

    y: Any
    weight: torch.Tensor


def without_weight(targets: Any) -> tuple[Any, torch.Tensor | None]:
    """Returns targets and their weight, None if they have none."""
    return (targets.y, targets.weight) if isinstance(targets, Weighted) else (targets, None)


def spread(weight: torch.Tensor, shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    """Expands a weight to the shape of the losses, in at least float32 and their precision.

    Args:
        weight: as in `Weighted`.
        shape: of the losses, the batch first.
        dtype: of the losses.

    Raises:
        UserError: a weight of another shape.
    """
    if not 1 <= weight.dim() <= len(shape) or weight.shape != shape[: weight.dim()]:
        forms = " or ".join(str(list(shape[:n])) for n in range(1, len(shape) + 1))
        raise UserError(f"a weight or mask of these targets must be {forms}, got {list(weight.shape)}; reshape it.")
    dtype = reduce(torch.promote_types, (weight.dtype, dtype, torch.float32))
    return weight.to(dtype).reshape(weight.shape + (1,) * (len(shape) - weight.dim())).expand(shape)


def check_weight(weight: torch.Tensor) -> None:
    """Raises `UserError` if a weight is below 0 or not a number; its values are read."""
    if not bool((weight >= 0).all()):
        wrong = weight[~(weight >= 0)].flatten()[0].item()
        raise UserError(f"weights are at least 0, got {wrong:g}; 0 leaves an example out.")


def factors(weight: torch.Tensor) -> torch.Tensor:
    """The factors on losses whose plain mean is then the weighted mean: w / mean(w)."""
    return weight * (weight.numel() / weight.sum())


def scale_by(scale: torch.Tensor, losses: torch.Tensor) -> torch.Tensor:
    """Losses times factors of the same shape; 0 where a factor is 0, whatever the loss is."""
    return torch.where(scale != 0, losses, 0.0) * scale.to(losses.dtype)
