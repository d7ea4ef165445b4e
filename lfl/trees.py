"""Arithmetic on pytrees of tensors."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves, tree_map, tree_unflatten


def map_tree(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`function` over the leaves of trees of one structure."""
    return tree_map(function, tree, *others)


def leaves(tree: Any) -> list[torch.Tensor]:
    """The tensors of a tree, in its order."""
    return tree_leaves(tree)


def norm(tree: Any) -> torch.Tensor:
    """Euclidean norm over all leaves together, a scalar tensor."""
    return torch.stack([leaf.detach().square().sum() for leaf in leaves(tree)]).sum().sqrt()


def named(tree: Any) -> dict[str, torch.Tensor]:
    """The tensors of a tree by where they are in it, such as `".theta['0.weight']"`."""
    found, _ = tree_flatten_with_path(tree)
    return {keystr(path): leaf for path, leaf in found if isinstance(leaf, torch.Tensor)}


def refill(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """A tree of the same structure, each tensor replaced by the one of its name; what is no tensor stays."""
    found, structure = tree_flatten_with_path(tree)
    return tree_unflatten(
        [tensors[keystr(path)] if isinstance(leaf, torch.Tensor) else leaf for path, leaf in found], structure
    )
