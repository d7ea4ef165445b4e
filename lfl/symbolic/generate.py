"""Random trees: full, grown, or half and half; and the correction of those that lack an argument."""

import random
from collections.abc import Callable

from ..errors import UserError
from .functions import ARITHMETIC, FUNCTIONS, TERMINALS, arity
from .tree import Tree

_FUNCTIONS = tuple(FUNCTIONS)
EARLY = len(TERMINALS) / (len(TERMINALS) + len(_FUNCTIONS))
"""The probability that a grown branch ends at a node where it may: the share of terminals among all names, 4/16."""


def full(rng: random.Random, low: int, high: int) -> Tree:
    """Draws a tree whose branches are all equally long, of a height between `low` and `high`, uniformly.

    Args:
        rng: the draws: the height, then each node's name in prefix order.
        low, high: heights, 0 <= low <= high.

    Raises:
        UserError: heights that are negative or in the wrong order.
    """
    return _drawn(rng, low, high, lambda depth, height: depth == height)


def grow(rng: random.Random, low: int, high: int) -> Tree:
    """Draws a tree whose branches may end early: from depth `low` on, with probability 4/16 at each node.

    Args, Raises: as for `full`.
    """
    return _drawn(rng, low, high, lambda depth, height: depth == height or (depth >= low and rng.random() < EARLY))


def half_and_half(rng: random.Random, low: int, high: int) -> Tree:
    """Draws a tree by `grow` or by `full`, with equal chance.

    Args, Raises: as for `full`.

    Example:
        >>> print(half_and_half(random.Random(0), 2, 4))
        add(sign(sqrt(-1)), abs(sign(-1)))

    Source: DEAP's `genHalfAndHalf`, which EvoMAL used; not the ramp with equal shares of each height.
    """
    return rng.choice((grow, full))(rng, low, high)


def correction(tree: Tree, rng: random.Random) -> Tree:
    """Returns the tree with both arguments in it: one that lacks y or f has a terminal replaced.

    The terminal is uniform over all of the tree's, and the replacement is one of add, sub, mul and div, uniformly, of y
    and f in random order. So the height may rise by one. A tree with both arguments is returned unchanged.

    Args:
        tree: any tree.
        rng: the draws: the function, the order, the terminal.

    Example:
        >>> print(correction(Tree(("log", "f")), random.Random(0)))
        log(div(y, f))

    Source: EvoMAL's published code.
    """
    if has_both(tree):
        return tree
    function = ARITHMETIC[rng.randrange(len(ARITHMETIC))]
    arguments = ["y", "f"]
    rng.shuffle(arguments)
    places = [i for i, node in enumerate(tree.nodes) if node in TERMINALS]
    return tree.replace(places[rng.randrange(len(places))], Tree((function, *arguments)))


def has_both(tree: Tree) -> bool:
    """Returns whether a tree has the target and the prediction in it."""
    return "y" in tree.nodes and "f" in tree.nodes


def _drawn(rng: random.Random, low: int, high: int, ends: Callable[[int, int], bool]) -> Tree:
    if not 0 <= low <= high:
        raise UserError(f"heights of trees go from a number at least 0 to one no smaller, got {low} and {high}.")
    height = rng.randint(low, high)
    nodes: list[str] = []
    depths = [0]
    while depths:
        depth = depths.pop()
        nodes.append(rng.choice(TERMINALS if ends(depth, height) else _FUNCTIONS))
        depths.extend([depth + 1] * arity(nodes[-1]))
    return Tree(tuple(nodes))
