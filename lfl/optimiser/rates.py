"""Learning rates that differ from parameter to parameter: trees of rates, prefixes of theta."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from ..errors import UserError
from ..trees import map_tree
from ..types import Rates, Tree


def map_rates(function: Callable[..., Any], rates: Rates, theta: Tree, *others: Tree) -> Any:
    """Applies `function(rate, p, ...)` to the leaves of theta and of trees like it, each at its own rate.

    Args:
        function: of a rate and one leaf of each tree.
        rates: a number or a scalar tensor, the rate of all; or a prefix of theta's tree. A leaf of it is the rate of
            the parameter, or of all parameters, in its place: a number, a scalar tensor, or a tensor that broadcasts to
            the parameter, such as one rate for each of its elements.
        theta, others: trees of one structure.

    Raises:
        UserError: `rates` is not a prefix of theta's tree.

    Example:
        >>> theta = {"w": torch.ones(2), "b": torch.ones(1)}
        >>> map_rates(lambda rate, p: p - rate, {"w": torch.tensor([0.5, 0.25]), "b": 1.0}, theta)
        {'w': tensor([0.5000, 0.7500]), 'b': tensor([0.])}
    """
    if _is_one(rates):
        return map_tree(lambda *leaves: function(rates, *leaves), theta, *others)
    return map_tree(function, _spread(rates, theta, ""), theta, *others)


def each_rate(rates: Rates, theta: Tree) -> list[Any]:
    """The rate of each leaf of theta, in their order; arguments and errors are those of `map_rates`."""
    return tree_leaves(_spread(rates, theta, ""))


def _is_one(rates: Rates) -> bool:
    return not isinstance(rates, (dict, list, tuple))


def _spread(rates: Rates, theta: Tree, path: str) -> Tree:
    """The tree of rates with the structure of theta."""
    if _is_one(rates):
        return map_tree(lambda _: rates, theta)
    if isinstance(theta, dict) and isinstance(rates, dict) and theta.keys() == rates.keys():
        return {name: _spread(rates[name], part, f"{path}[{name!r}]") for name, part in theta.items()}
    if isinstance(theta, (list, tuple)) and isinstance(rates, (list, tuple)) and len(theta) == len(rates):
        parts = [_spread(r, part, f"{path}[{i}]") for i, (r, part) in enumerate(zip(rates, theta, strict=True))]
        return type(theta)(*parts) if hasattr(theta, "_fields") else type(theta)(parts)
    raise UserError(
        f"a tree of rates must have the structure of theta, or end above its leaves, got {_described(rates)} where "
        f"theta{path} is {_described(theta)}; give each part of theta a number, a tensor, or a tree of its own."
    )


def _described(tree: Tree) -> str:
    if isinstance(tree, dict):
        return f"a dict of {', '.join(map(repr, tree)) or 'nothing'}"
    if isinstance(tree, torch.Tensor):
        return f"a tensor of shape {tuple(tree.shape)}"
    return f"a {type(tree).__name__} of {len(tree)}" if isinstance(tree, (list, tuple)) else f"{tree!r}"
