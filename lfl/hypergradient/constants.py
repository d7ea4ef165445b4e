"""What a model's code takes for constants, by `torch.no_grad()` or `detach()`, and how derivatives respect it."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import Any

import torch
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ..errors import UserError

DETACHING = frozenset({torch.Tensor.detach, torch.Tensor.data.__get__, torch.detach})  # type: ignore[attr-defined]
REGISTER_HOOK = torch.Tensor.register_hook
HOOKS_REFUSED = (
    "the model changes gradients by a hook on a tensor (Tensor.register_hook), which not every derivative of a step "
    "goes through; write it as a torch.autograd.Function with forward, setup_context, backward and jvp."
)


class ObeyNoGrad(TorchFunctionMode):
    """A context, entered with gradients enabled, in which what runs under `torch.no_grad()` has no tangent.

    Reverse mode takes the results of such code for constants. Torch's forward mode differentiates them all the same, so
    that without this context the two disagree about any model that has some. `detach()` both obey.

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


class RefuseConstants(TorchFunctionMode):
    """A context, entered with gradients enabled, in which values may not be taken for constants.

    A finite difference moves them with everything else.

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
                    "the model or the loss takes values for constants (torch.no_grad() or detach()), which a "
                    "finite difference cannot do: it would be wrong, not inexact; choose hypergradient='mixed' or "
                    "'unroll'."
                )
        return func(*args, **kwargs or {})
