"""Arithmetic on pytrees of tensors."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map


def map_tree(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`function` over the leaves of trees of one structure."""
    return tree_map(function, tree, *others)


def leaves(tree: Any) -> list[torch.Tensor]:
    """The tensors of a tree, in its order."""
    return tree_leaves(tree)


def norm(tree: Any) -> torch.Tensor:
    """Euclidean norm over all leaves together, a scalar tensor."""
    return torch.stack([leaf.detach().square().sum() for leaf in leaves(tree)]).sum().sqrt()
