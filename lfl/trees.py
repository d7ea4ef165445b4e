"""Operations on pytrees of tensors: map, norm, names of leaves, and constants among them."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import (
    keystr,
    register_pytree_node,
    tree_flatten_with_path,
    tree_leaves,
    tree_map,
    tree_unflatten,
)

from .errors import UserError


def map_tree(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Applies `function` to the leaves of trees of one structure."""
    return tree_map(function, tree, *others)


def leaves(tree: Any) -> list[torch.Tensor]:
    """The tensors of a tree, in its order."""
    return tree_leaves(tree)


def norm(tree: Any) -> torch.Tensor:
    """Euclidean norm over all leaves together, a scalar tensor."""
    return torch.stack([leaf.detach().square().sum() for leaf in leaves(tree)]).sum().sqrt()


def named(tree: Any) -> dict[str, torch.Tensor]:
    """The tensors of a tree by their path in it, such as `".theta['0.weight']"`."""
    found, _ = tree_flatten_with_path(tree)
    return {keystr(path): leaf for path, leaf in found if isinstance(leaf, torch.Tensor)}


def refill(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The tree with each tensor replaced by the one of its name in `named`; other leaves stay."""
    found, structure = tree_flatten_with_path(tree)
    return tree_unflatten(
        [tensors[keystr(path)] if isinstance(leaf, torch.Tensor) else leaf for path, leaf in found], structure
    )


def is_shape(value: Any) -> bool:
    """Whether a value is the shape of one tensor, a tuple of sizes, rather than a tree of shapes."""
    return isinstance(value, tuple) and all(isinstance(size, int) for size in value)


class Constant:
    """A number, a string or None within a tree of tensors, as part of the tree's structure instead of a leaf.

    Transforms of torch accept trees of tensors alone. All constants are equal, so that trees that differ only in them
    have the same structure.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant)

    def __hash__(self) -> int:
        return hash(Constant)


register_pytree_node(
    Constant,
    lambda constant: ([], constant),
    lambda _, constant: constant,
    flatten_with_keys_fn=lambda constant: ([], constant),
)


def hide_constants(tree: Any, error: Callable[[Any], UserError]) -> Any:
    """The tree with its numbers, strings and None made `Constant`, so that its leaves are tensors alone.

    Raises:
        UserError: `error(leaf)`, for any other leaf.
    """

    def hidden(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return leaf
        if leaf is None or isinstance(leaf, (bool, int, float, str)):
            return Constant(leaf)
        raise error(leaf)

    return tree_map(hidden, tree)


def show_constants(tree: Any) -> Any:
    """The inverse of `hide_constants`: the tree that it was given."""
    constant: Callable[[Any], bool] = lambda leaf: isinstance(leaf, Constant)  # noqa: E731
    return tree_map(lambda leaf: leaf.value if isinstance(leaf, Constant) else leaf, tree, is_leaf=constant)
