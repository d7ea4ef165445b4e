"""Batch norm's derivative along a direction, in a third of the passes over the activations that torch's rule takes."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F

Value = torch.Tensor | None


def batch_norm(
    x: torch.Tensor,
    running_mean: Value,
    running_var: Value,
    weight: Value = None,
    bias: Value = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """`torch.nn.functional.batch_norm`, with its tangent computed here within `torch.func.jvp`.

        n    = (x - mean) / deviation                    over all dimensions but the second
        out  = w n + b
        dout = w / deviation (dx - mean(dx) - n mean(n dx)) + dw n + db

    Args:
        x, running_mean, running_var, weight, bias, training, momentum, eps: as in torch.

    Returns:
        A tensor of the shape of `x`. It must not be differentiated in reverse mode, where mean and deviation would be
        constants.
    """
    (x_0, dx), (w, dw), (b, db) = (_parts(value) for value in (x, weight, bias))
    one_value = x.numel() == x.shape[1]  # a mistake, for which torch has an error
    if not training or one_value or (dx is None and dw is None and db is None):
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    over = [d for d in range(x.dim()) if d != 1]
    each = [1, -1] + [1] * (x.dim() - 2)
    n, mean, precision = torch.native_batch_norm(x_0, None, None, running_mean, running_var, True, momentum, eps)
    zero = torch.zeros_like(mean)
    out = n if w is None else torch.addcmul((zero if b is None else b).view(each), n, w.view(each))
    slope, shift = (zero if dw is None else dw), (zero if db is None else db)
    if dx is None:
        return _dual(out, torch.addcmul(shift.view(each), n, slope.view(each)))
    steepness = precision if w is None else precision * w
    slope = slope - steepness * (n * dx).mean(over)
    shift = shift - steepness * dx.mean(over)
    tangent = torch.addcmul(torch.addcmul(shift.view(each), n, slope.view(each)), dx, steepness.view(each))
    return _dual(out, tangent)


def _parts(value: Value) -> tuple[Any, Value]:
    """The value without its tangent, and the tangent, if it has one."""
    unpack: Any = forward_ad.unpack_dual
    return (None, None) if value is None else unpack(value)


def _dual(value: torch.Tensor, tangent: torch.Tensor) -> torch.Tensor:
    make: Any = forward_ad.make_dual
    dual: torch.Tensor = make(value, tangent)
    return dual
