"""Batch norm with the statistics of the examples of all ranks, in any derivative."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from ..types import ApplyFn, Average, Tensors


def synchronised(apply_fn: ApplyFn, average: Average, size: int) -> ApplyFn:
    """The model with batch norm over the batches of all ranks.

    Args:
        apply_fn: the model.
        average: the mean over ranks, differentiable any number of times, in reverse and in forward mode.
        size: the number of ranks, which have equally many examples.
    """

    @wraps(apply_fn)
    def apply(theta: Tensors, buffers: Tensors, x: Any, **given: Any) -> tuple[Any, Tensors]:
        with _Synchronise(average, size):
            return apply_fn(theta, buffers, x, **given)

    return apply


def batch_norm(
    average: Average,
    size: int,
    x: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """`torch.nn.functional.batch_norm` of all ranks' examples together; returns this rank's.

        m = average(mean(x))     s = average(mean((x - m)^2))     out = weight (x - m) / sqrt(s + eps) + bias

    Args:
        average, size: as in `synchronised`.
        x, running_mean, running_var, weight, bias, training, momentum, eps: as in torch.
    """
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    over = [d for d in range(x.dim()) if d != 1]
    each = [1, -1] + [1] * (x.dim() - 2)
    mean = average(x.mean(over))
    centred = x - mean.view(each)
    variance = average(centred.square().mean(over))
    count = size * x.numel() // x.shape[1]
    if running_mean is not None and running_var is not None:
        running_mean.mul_(1.0 - momentum).add_(momentum * mean.detach())
        running_var.mul_(1.0 - momentum).add_(momentum * count / (count - 1) * variance.detach())
    out: torch.Tensor = centred * torch.rsqrt(variance + eps).view(each)
    out = out if weight is None else out * weight.view(each)
    return out if bias is None else out + bias.view(each)


class _Synchronise(TorchFunctionMode):
    def __init__(self, average: Average, size: int) -> None:
        super().__init__()
        self.average, self.size = average, size

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm:
            return batch_norm(self.average, self.size, *args, **kwargs or {})
        return func(*args, **kwargs or {})
