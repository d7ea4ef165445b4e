"""Call a module's code with values that come from outside."""

from typing import Any

from torch import nn
from torch.func import functional_call

from ..types import Tensors


def call(code: nn.Module, theta: Tensors, buffers: Tensors, x: Any) -> Any:
    """Run `code` on `x`: a tensor, a tuple of positional inputs, or a dict of named ones."""
    args, kwargs = ((), x) if isinstance(x, dict) else (x if isinstance(x, tuple) else (x,), {})
    return functional_call(code, (theta, buffers), args, kwargs)
