"""Expression trees as values, and formulas: trees with a weight on each edge."""

import math
from dataclasses import dataclass

from ..errors import UserError
from .functions import FUNCTIONS, TERMINALS, arity
from .printing import functional, infix


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression as the names of its functions and terminals in prefix order: each function before its arguments.

    `str(tree)` is the expression, `list(tree.nodes)` its form in JSON files. Equal trees have equal nodes.

    Args:
        nodes: names of functions (add, sub, mul, div, sign, square, abs, log, sqrt, tanh, min, max) and terminals (y,
            the target; f, the prediction; 1; -1).

    Raises:
        UserError: an unknown name, a function without all its arguments, or names after the expression's end.

    Example:
        >>> tree = Tree(("abs", "log", "mul", "y", "f"))
        >>> print(tree, tree.size, tree.height)
        abs(log(mul(y, f))) 5 3

    Source: Raymond et al. (2023), EvoMAL; the published code's function and terminal sets.
    """

    nodes: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.nodes, (tuple, list)):
            raise UserError(f"a tree is made of a tuple of names, got {self.nodes!r}; lfl.read_formula reads text.")
        object.__setattr__(self, "nodes", tuple(self.nodes))
        missing = 1
        for i, node in enumerate(self.nodes):
            if not isinstance(node, str) or (node not in FUNCTIONS and node not in TERMINALS):
                known = ", ".join((*FUNCTIONS, *TERMINALS))
                raise UserError(f"unknown name {node!r} at node {i} of a tree; choose from: {known}.")
            if missing == 0:
                raise UserError(f"the expression ends before node {i}, {node!r}; got nodes {self.nodes}.")
            missing += arity(node) - 1
        if missing:
            raise UserError(f"the tree lacks {missing} argument(s) at its end; got nodes {self.nodes}.")

    def __str__(self) -> str:
        return functional(self.nodes)

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.nodes)

    @property
    def height(self) -> int:
        """The number of edges from the root to the deepest node."""
        return max(self.depths())

    def end(self, i: int) -> int:
        """Returns the index after the last node of the subtree at node `i`."""
        missing = 1
        while missing:
            missing += arity(self.nodes[i]) - 1
            i += 1
        return i

    def subtree(self, i: int) -> "Tree":
        """Returns the tree whose root is node `i`."""
        return Tree(self.nodes[i : self.end(i)])

    def replace(self, i: int, tree: "Tree") -> "Tree":
        """Returns a tree in which another stands in place of the subtree at node `i`."""
        return Tree((*self.nodes[:i], *tree.nodes, *self.nodes[self.end(i) :]))

    def parents(self) -> tuple[int, ...]:
        """Returns the index of each node's parent; the root's is -1."""
        found, waiting = [], [-1]
        for i, node in enumerate(self.nodes):
            found.append(waiting.pop())
            waiting.extend([i] * arity(node))
        return tuple(found)

    def depths(self) -> tuple[int, ...]:
        """Returns the number of edges from the root to each node."""
        found: list[int] = []
        for parent in self.parents():
            found.append(found[parent] + 1 if parent >= 0 else 0)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Formula:
    """A tree with a weight on each edge: a node's value times its weight enters its parent's function.

    `str(formula)` is for reading, with 4 significant digits; `lfl.symbolic.exact(formula)` has all digits.

    Args:
        tree: the expression.
        weights: size - 1 finite numbers; number i belongs to node i + 1, as the root has none.

    Raises:
        UserError: another number of weights, or one that is not finite.

    Example:
        >>> print(Formula(Tree(("abs", "log", "mul", "y", "f")), (1.0, 1.0, 1.1, 1.0)))
        abs(log(1.1*y*f))

    Source: Raymond et al. (2023), EvoMAL: from a tree to a network.
    """

    tree: Tree
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        weights = tuple(float(weight) for weight in self.weights)
        if len(weights) != self.tree.size - 1:
            raise UserError(
                f"a tree of {self.tree.size} nodes has {self.tree.size - 1} weights, got {len(weights)}; give one for "
                f"each node but the root."
            )
        for i, weight in enumerate(weights):
            if not math.isfinite(weight):
                raise UserError(f"weights must be finite, got {weight} as number {i}; node {i + 1} is not usable.")
        object.__setattr__(self, "weights", weights)

    def __str__(self) -> str:
        return infix(self.tree.nodes, self.weights, lambda value: f"{value:.4g}")


def unit(tree: Tree) -> Formula:
    """Returns a tree as a formula whose weights are all 1."""
    return Formula(tree, (1.0,) * (tree.size - 1))
