"""A gradient that frees what it stored as it goes, unless something differentiates it again."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from typing import Any

import torch
from torch._C._functorch import TransformType, get_interpreter_stack
from torch.autograd import forward_ad

from ..types import Tensors


def gradient(function: Callable[[Tensors], tuple[torch.Tensor, Any]], theta: Tensors) -> tuple[Tensors, Any]:
    """`torch.func.grad(function, has_aux=True)(theta)`, in half the memory where it is the outermost derivative.

    `torch.func.grad` always keeps its graph, since another derivative may be taken of it; the activations and their
    gradients are then alive together. Where none is taken, in reverse or in forward mode, the graph is not needed;
    where one is, torch must be told so: without a graph the backward passes of some operations (a linear solve, SiLU)
    take short cuts that have no derivative, or a wrong one.
    """
    if torch.compiler.is_compiling() or is_differentiated() or is_forward_mode():
        grads, aux = torch.func.grad(function, has_aux=True)(theta)
        return grads, aux
    pulled: Any = torch.func.vjp(function, theta, has_aux=True)
    value, pull, aux = pulled
    again = value.requires_grad  # a caller's own autograd, without torch.func
    (grads,) = pull(torch.ones_like(value), retain_graph=again, create_graph=again)
    return grads, aux


def is_differentiated() -> bool:
    """Whether a transform in reverse mode is at work around the caller, in an eager program."""
    return any(level.key() == TransformType.Grad for level in get_interpreter_stack() or [])


def is_forward_mode() -> bool:
    """Whether forward mode is at work around the caller, of `torch.func` or of `torch.autograd`."""
    return forward_ad._current_level >= 0
