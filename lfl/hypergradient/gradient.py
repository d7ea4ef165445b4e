"""A gradient that frees what it stored as it goes, unless something differentiates it again."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from typing import Any

import torch
from torch._C._functorch import TransformType, get_interpreter_stack

from ..types import Tensors


def gradient(function: Callable[[Tensors], tuple[torch.Tensor, Any]], theta: Tensors) -> tuple[Tensors, Any]:
    """`torch.func.grad(function, has_aux=True)(theta)`, in half the memory where it is the outermost derivative.

    `torch.func.grad` always keeps its graph, since another transform may differentiate it; the activations and their
    gradients are then alive together. Forward mode around it does not need the graph.
    """
    if torch.compiler.is_compiling() or is_differentiated():
        grads, aux = torch.func.grad(function, has_aux=True)(theta)
        return grads, aux
    pulled: Any = torch.func.vjp(function, theta, has_aux=True)
    value, pull, aux = pulled
    (grads,) = pull(torch.ones_like(value), retain_graph=False, create_graph=False)
    return grads, aux


def is_differentiated() -> bool:
    """Whether a transform in reverse mode is at work around the caller, in an eager program."""
    return any(level.key() == TransformType.Grad for level in get_interpreter_stack() or [])
