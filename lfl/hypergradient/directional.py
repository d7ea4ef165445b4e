"""The derivative of a function of theta along a direction: exact by forward mode, or a finite difference.

Both must treat as constant what reverse mode treats so: code under `torch.no_grad()`, and `detach()`.
"""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch._C._functorch import TransformType, get_interpreter_stack
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ..errors import UserError
from ..trees import map_tree, norm
from ..types import Tensors, Tree
from .batch_norm import batch_norm
from .bilevel import is_differentiated

Directional = Callable[[Callable[[Tensors], Tree], Tree, Tensors, Tensors], tuple[Tree, Tree]]
"""`directional(function, value, theta, direction) -> (value, derivative)`; the value at theta may be given, or None."""

STEP_SIZE = 1 / 16
"""Of the finite difference, in units of the root of the machine's precision; see `one_sided_difference`."""


def forward_mode(
    function: Callable[[Tensors], Tree], value: Tree, theta: Tensors, direction: Tensors
) -> tuple[Tree, Tree]:
    """The function's value and its derivative J d, exactly.

    It costs about two evaluations beyond the value, which it computes again.
    """
    del value
    with torch.enable_grad(), ObeyNoGrad() if torch.compiler.is_compiling() else FastBatchNorm():
        primal, tangent, *_ = torch.func.jvp(function, (theta,), (direction,))
    return primal, tangent


def one_sided_difference(
    function: Callable[[Tensors], Tree],
    value: Tree,
    theta: Tensors,
    direction: Tensors,
    *,
    step_size: float = STEP_SIZE,
) -> tuple[Tree, Tree]:
    """The function's value and (f(theta + h d) - f(theta)) / h, by one evaluation more.

        h = step_size sqrt(precision) |theta| / |d|

    The root balances the curvature, whose error grows with h, against rounding, whose error shrinks with it.

    Raises:
        UserError: the function treats values as constants, which a difference cannot do.
    """
    size = norm(theta)
    precision = torch.finfo(size.dtype).eps
    tiny = torch.finfo(size.dtype).tiny
    h = step_size * precision**0.5 * size.clamp(min=precision) / norm(direction).clamp(min=tiny**0.5)
    refuse = nullcontext() if torch.compiler.is_compiling() else RefuseConstants()
    with torch.enable_grad(), refuse:
        here = function(theta) if value is None else value
        moved = function(map_tree(lambda p, d: p + h * d, theta, direction))
    return here, map_tree(lambda a, b: (a - b) / h if a.is_floating_point() else a, moved, here)


DETACHING = frozenset({torch.Tensor.detach, torch.Tensor.data.__get__, torch.detach})  # type: ignore[attr-defined]
REGISTER_HOOK = torch.Tensor.register_hook
HOOKS_REFUSED = (
    "the model changes gradients by a hook on a tensor (Tensor.register_hook), which not every derivative of a step "
    "goes through; write it as a torch.autograd.Function with forward, setup_context, backward and jvp."
)


class ObeyNoGrad(TorchFunctionMode):
    """A context, entered with gradients enabled, in which code under `torch.no_grad()` has no tangent.

    Reverse mode treats the results of such code as constants. Torch's forward mode differentiates them all the same, so
    that without this context the two disagree about any model that has some. Both obey `detach()`.

    Raises:
        UserError: a hook is put on a tensor's gradient, which forward mode does not see.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is REGISTER_HOOK:
            raise UserError(HOOKS_REFUSED)
        if torch.is_grad_enabled():
            return func(*args, **kwargs or {})
        with forward_ad._set_fwd_grad_enabled(False):
            return func(*args, **kwargs or {})


class FastBatchNorm(ObeyNoGrad):
    """`ObeyNoGrad`, and forward mode goes through batch norm by `batch_norm` unless reverse mode goes there too.

    It must be the innermost transform: within `vmap` a tensor cannot be taken apart into value and tangent.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm and torch.is_grad_enabled() and not is_differentiated() and _is_innermost():
            return batch_norm(*args, **kwargs or {})
        return super().__torch_function__(func, types, args, kwargs)


def _is_innermost() -> bool:
    """Whether forward mode is the innermost transform."""
    levels = get_interpreter_stack() or []
    return bool(levels) and levels[-1].key() == TransformType.Jvp


class RefuseConstants(TorchFunctionMode):
    """A context, entered with gradients enabled, in which no value may be treated as constant.

    A finite difference moves such values with everything else.

    Raises:
        UserError: code under `torch.no_grad()` uses a real-valued tensor, or `detach()` is called on one.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not torch.is_grad_enabled() or func in DETACHING:
            values = tree_leaves((args, kwargs))
            if any(isinstance(v, torch.Tensor) and v.is_floating_point() for v in values):
                raise UserError(
                    "the model or the loss treats values as constants (torch.no_grad() or detach()), which a finite "
                    "difference cannot do: the gradient would be wrong, not just inexact; choose "
                    "hypergradient='mixed' or 'unroll'."
                )
        return func(*args, **kwargs or {})
