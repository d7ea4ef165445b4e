"""The value of a formula for targets and predictions, in torch."""

from collections.abc import Sequence

import torch

from .functions import FUNCTIONS
from .tree import Tree


def evaluate(
    tree: Tree, weights: torch.Tensor | Sequence[float] | None, y: torch.Tensor, f: torch.Tensor
) -> torch.Tensor:
    """Computes a formula at each pair of a target and a prediction.

    A node's value is its function of its arguments' values, each times its own weight; the root's value has no weight.

    Args:
        tree: the expression.
        weights: `[size - 1]`, number i of node i + 1; None where all are 1. The result is differentiable by a tensor.
        y: targets, floating point.
        f: predictions of the same shape.

    Returns:
        Values of the shape of `f`.

    Example:
        >>> y, f = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
        >>> evaluate(Tree(("square", "sub", "y", "f")), None, y, f)
        tensor([0.2500, 0.2500])
    """
    stack: list[torch.Tensor] = []
    for i in reversed(range(tree.size)):
        node = tree.nodes[i]
        if node in FUNCTIONS:
            value = FUNCTIONS[node].form(*(stack.pop() for _ in range(FUNCTIONS[node].arity)))
        elif node in ("y", "f"):
            value = y if node == "y" else f
        else:
            value = torch.full_like(f, float(node))
        stack.append(value if weights is None or i == 0 else weights[i - 1] * value)
    return stack.pop()
