"""The derivative of a gradient along a direction: Hessian-vector products, and the mixed second derivatives."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch

from ..trees import leaves, map_tree
from ..types import Tree
from .bilevel import gradient
from .directional import forward_mode


def gradient_along(
    value: Callable[[Any, Any], torch.Tensor], theta: Tree, phi: Tree, direction: Tree
) -> tuple[Tree, tuple[Tree, Tree]]:
    """The gradient of `value(theta, phi)` by theta, and the derivative of both gradients along a direction of theta.

        d/de grad_(theta, phi) value(theta + e d, phi)        one jvp of the joint gradient: forward over reverse mode
        grad_(theta, phi) <grad_theta value(theta, phi), d>   the same, since second derivatives are symmetric

    The first takes three fifths of the memory for convolutions with batch norm. The second is for compiled programs:
    torch 2.14's compiler fails on forward mode within vmap, and loses custom Functions' own derivatives there.

    Args:
        value: a function with a scalar value.
        theta, phi: where the derivatives are taken; phi may be an empty tree.
        direction: a tree like theta.

    Returns:
        `grad_theta`, and the pair of derivatives, like theta and like phi.
    """

    def joint(theta: Tree) -> tuple[Tree, Tree]:
        found: tuple[Tree, Tree] = gradient(lambda both: (value(*both), ()), (theta, phi))[0]
        return found

    def slope(both: Any) -> tuple[torch.Tensor, Tree]:
        grads = torch.func.grad(value)(*both)
        return reduce(torch.add, leaves(map_tree(lambda g, d: (g * d).sum(), grads, direction))), grads

    if torch.compiler.is_compiling():
        derivatives, grads = torch.func.grad(slope, has_aux=True)((theta, phi))
    else:
        (grads, _), derivatives = forward_mode(joint, None, theta, direction)
    return grads, derivatives
