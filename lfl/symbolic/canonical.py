"""Keys that are equal only for formulas of equal meaning, by rules that hold for the protected functions.

A place is *even* if the sign of what enters it does not matter: below log, sqrt, square and abs, as the second argument
of div, and further down through mul, div, tanh and sign, whose results change at most their sign with an argument's.
"""

from typing import NamedTuple

import torch

from .functions import FUNCTIONS, arity
from .tree import Formula, Tree, unit

COMMUTATIVE = ("add", "mul", "min", "max")
EVEN = ("log", "sqrt", "square", "abs")
ODD = ("mul", "div", "tanh", "sign")
NOT_NEGATIVE = ("square", "sqrt", "abs")


class _Rewritten(NamedTuple):
    """A rewritten subtree: names and all weights, its root's own one first."""

    nodes: tuple[str, ...]
    weights: tuple[float, ...]


def canonical(formula: Formula) -> Formula:
    """Rewrites a formula to the one that stands for its family: all formulas that other weights make of it.

    The operands of add, mul, min and max are sorted, and at even places those of sub; abs is dropped at even places,
    and sign directly below sign, and the two weights become one, their product. The value is the same for all weights,
    and weights of 1 stay 1. Other rules change the family, or where it starts: min(a, a) has two weights where a
    has one, and abs(square(a)) cannot be negative, but its weighted square can.

    Example:
        >>> print(canonical(Formula(Tree(("log", "abs", "mul", "y", "f")), (2.0, 1.5, 1.0, 3.0))))
        log(3*(3*f*y))
    """
    weights = (1.0, *formula.weights)
    even = _even(formula.tree)
    stack: list[_Rewritten] = []
    for i in reversed(range(formula.tree.size)):
        node = formula.tree.nodes[i]
        stack.append(_rewritten(node, weights[i], [stack.pop() for _ in range(arity(node))], even=even[i]))
    root = stack.pop()
    return Formula(Tree(root.nodes), root.weights[1:])


def weighted_key(tree: Tree) -> str:
    """Returns a key that trees share only if their weights make the same formulas of them, and weights of 1 the same.

    For search with local search, where the weights are learned. See `canonical` for the rules.

    Example:
        >>> weighted_key(Tree(("square", "sub", "y", "f"))) == weighted_key(Tree(("square", "sub", "f", "y")))
        True
    """
    return str(canonical(unit(tree)).tree)


class _Plain(NamedTuple):
    """A subtree without weights: its text, its root, and its value where it is a constant."""

    text: str
    root: str
    constant: torch.Tensor | None = None


def plain_key(tree: Tree) -> str:
    """Returns a key that trees share only if they have the same values, all weights being 1.

    For search without local search. Beside the rules of `canonical`: constants are folded, and have no sign at even
    places; min(a, a), max(a, a) and mul(1, a) are a; abs is dropped before square, sqrt and abs.

    Example:
        >>> plain_key(Tree(("abs", "square", "min", "f", "f")))
        'square(f)'
    """
    even = _even(tree)
    stack: list[_Plain] = []
    for i in reversed(range(tree.size)):
        node = tree.nodes[i]
        part = _simplified(node, [stack.pop() for _ in range(arity(node))], even=even[i])
        stack.append(_constant(part.constant.abs()) if even[i] and part.constant is not None else part)
    return stack.pop().text


def _even(tree: Tree) -> list[bool]:
    """Whether each node stands at an even place."""
    found = [False]
    for i, parent in list(enumerate(tree.parents()))[1:]:
        name = tree.nodes[parent]
        divisor = name == "div" and i != parent + 1
        found.append(name in EVEN or divisor or (found[parent] and name in ODD))
    return found


def _rewritten(node: str, weight: float, parts: list[_Rewritten], *, even: bool) -> _Rewritten:
    if node == "abs" and even:
        (inner,) = parts
        return _Rewritten(inner.nodes, (weight * inner.weights[0], *inner.weights[1:]))
    if node == "sign" and parts[0].nodes[0] == "sign":
        own, below, *rest = parts[0].weights
        return _Rewritten(parts[0].nodes, (weight, own * below, *rest))
    if node in COMMUTATIVE or (node == "sub" and even):
        parts = sorted(parts, key=lambda part: part.nodes)
    return _Rewritten((node, *(n for p in parts for n in p.nodes)), (weight, *(w for p in parts for w in p.weights)))


def _simplified(node: str, parts: list[_Plain], *, even: bool) -> _Plain:
    if not parts:
        return _constant(torch.tensor(float(node), dtype=torch.float64)) if node in ("1", "-1") else _Plain(node, node)
    constants = [part.constant for part in parts if part.constant is not None]
    if len(constants) == len(parts):
        return _constant(FUNCTIONS[node].form(*constants))
    if (node == "abs" and (even or parts[0].root in NOT_NEGATIVE)) or (node == parts[0].root == "sign"):
        return parts[0]
    if node in ("min", "max") and parts[0].text == parts[1].text:
        return parts[0]
    if node == "mul" and "1.0" in (parts[0].text, parts[1].text):
        return parts[parts[0].text == "1.0"]
    if node in COMMUTATIVE or (node == "sub" and even):
        parts = sorted(parts, key=lambda part: part.text)
    return _Plain(f"{node}({', '.join(part.text for part in parts)})", node)


def _constant(value: torch.Tensor) -> _Plain:
    number = value.item() + 0.0  # -0.0 is 0.0
    return _Plain(repr(number), "number", value)
