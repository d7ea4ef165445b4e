"""The derivative of a function of theta along a direction: exactly by forward mode, or by a finite difference."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from ..trees import map_tree, norm
from ..types import Tensors
from .batch_norm import FewPasses
from .constants import ObeyNoGrad, RefuseConstants

Along = Callable[[Callable[[Tensors], Any], Any, Tensors, Tensors], tuple[Any, Any]]
"""`along(function, value, theta, direction) -> (value, derivative)`; the value at theta may be known, or None."""

STEP_SIZE = 1 / 16
"""Of the finite difference, in units of the root of the machine's precision; see `one_sided_difference`."""


def forward_mode(function: Callable[[Tensors], Any], value: Any, theta: Tensors, direction: Tensors) -> tuple[Any, Any]:
    """J d, exactly; costs about two evaluations beyond the value, which it computes again."""
    del value
    with torch.enable_grad(), ObeyNoGrad() if torch.compiler.is_compiling() else FewPasses():
        primal, tangent, *_ = torch.func.jvp(function, (theta,), (direction,))
    return primal, tangent


def one_sided_difference(
    function: Callable[[Tensors], Any], value: Any, theta: Tensors, direction: Tensors
) -> tuple[Any, Any]:
    """(f(theta + h d) - f(theta)) / h: one evaluation.

        h = STEP_SIZE sqrt(precision) |theta| / |d|

    The root balances the curvature, whose error grows with h, against rounding, whose error shrinks with it.

    Raises:
        UserError: the function takes values for constants, which a difference cannot do.
    """
    size = norm(theta)
    precision = torch.finfo(size.dtype).eps
    tiny = torch.finfo(size.dtype).tiny
    h = STEP_SIZE * precision**0.5 * size.clamp(min=precision) / norm(direction).clamp(min=tiny**0.5)
    refuse = nullcontext() if torch.compiler.is_compiling() else RefuseConstants()
    with torch.enable_grad(), refuse:
        here = function(theta) if value is None else value
        moved = function(map_tree(lambda p, d: p + h * d, theta, direction))
    return here, map_tree(lambda a, b: (a - b) / h if a.is_floating_point() else a, moved, here)
