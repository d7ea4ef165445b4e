"""New trees from old ones: crossover and mutation."""

import random

from .generate import half_and_half
from .tree import Tree


def crossover(first: Tree, second: Tree, rng: random.Random) -> tuple[Tree, Tree]:
    """Exchanges a subtree of one tree with one of another; never the whole of either.

    The cut in each is uniform over all nodes but the root. Trees of one node are returned unchanged.

    Args:
        first, second: the parents.
        rng: the draws: the cut in `first`, the cut in `second`.

    Returns:
        Two children: `first` and `second` with the other's subtree.

    Example:
        >>> one, two = Tree(("log", "f")), Tree(("square", "y"))
        >>> print(*crossover(one, two, random.Random(0)))
        log(y) square(f)

    Source: DEAP's `cxOnePoint`, which EvoMAL used.
    """
    if first.size < 2 or second.size < 2:
        return first, second
    i, j = rng.randrange(1, first.size), rng.randrange(1, second.size)
    return first.replace(i, second.subtree(j)), second.replace(j, first.subtree(i))


def mutation(tree: Tree, rng: random.Random, low: int = 0, high: int = 2) -> Tree:
    """Replaces the subtree at a uniform node, which may be the root, by one drawn half and half.

    Args:
        tree: the parent.
        rng: the draws: the node, then those of `half_and_half`.
        low, high: heights of the new subtree.

    Example:
        >>> print(mutation(Tree(("log", "f")), random.Random(0)))
        log(1)

    Source: DEAP's `mutUniform`, which EvoMAL used.
    """
    return tree.replace(rng.randrange(tree.size), half_and_half(rng, low, high))
