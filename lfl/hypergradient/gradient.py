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
    stack = None if torch.compiler.is_compiling() else get_interpreter_stack() or []
    if stack is None or any(level.key() == TransformType.Grad for level in stack):
        grads, aux = torch.func.grad(function, has_aux=True)(theta)
        return grads, aux
    pulled: Any = torch.func.vjp(function, theta, has_aux=True)
    value, pull, aux = pulled
    (grads,) = pull(torch.ones_like(value), retain_graph=False, create_graph=False)
    return grads, aux
