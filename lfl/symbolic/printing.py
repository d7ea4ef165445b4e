"""Formulas as text: infix sums, differences and products, and the other functions by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .functions import arity

SIGNS = {"add": " + ", "sub": " - "}


class _Piece(NamedTuple):
    """The text of a subtree without its own weight, its root, and its own weight as text (empty: 1)."""

    text: str
    root: str
    weight: str


def functional(nodes: Sequence[str]) -> str:
    """Writes a tree without weights, every function by name: `abs(log(mul(y, f)))`."""
    stack: list[str] = []
    for node in reversed(nodes):
        arguments = [stack.pop() for _ in range(arity(node))]
        stack.append(f"{node}({', '.join(arguments)})" if arguments else node)
    return stack.pop()


def infix(nodes: Sequence[str], weights: Sequence[float], number: Callable[[float], str]) -> str:
    """Writes a tree with its weights, so that `read_formula` gives the same tree back.

    A number times an expression is that expression's weight; a number alone or in parentheses is a constant.

    Args:
        nodes: names in prefix order.
        weights: those of all nodes but the root.
        number: how a number at least 0 is written.
    """
    one, stack = number(1.0), list[_Piece]()
    signed = [1.0, *weights]
    for i in reversed(range(len(nodes))):
        node, weight = nodes[i], _signed(signed[i], number)
        pieces = [stack.pop() for _ in range(arity(node))]
        text = _joined(node, pieces, at_root=i == 0) if pieces else node
        if node in ("1", "-1") and i and not weight.startswith("-"):
            text, weight = ("-" if node == "-1" else "") + ("1" if weight == one else weight), ""
        stack.append(_Piece(text, node, "" if weight == one else weight))
    return stack.pop().text


def _signed(value: float, number: Callable[[float], str]) -> str:
    return f"-{number(-value)}" if str(value).startswith("-") else number(value)


def _joined(node: str, pieces: list[_Piece], *, at_root: bool) -> str:
    if node not in {*SIGNS, "mul"}:
        return f"{node}({', '.join(_term(piece) for piece in pieces)})"
    left, right = pieces
    if node in SIGNS:
        second = _term(right)
        enclosed = second.startswith("-") or (right.root in SIGNS and not right.weight)
        return _term(left) + SIGNS[node] + (f"({second})" if enclosed else second)
    if at_root and _is_number(left) and left.text != "1" and not _is_number(right) and not right.weight:
        return _times("-" if left.text == "-1" else f"{left.text}*", right)
    first = _term(left) if left.weight or left.root == "mul" else _factor(left)
    return f"{first}*" + (f"({_term(right)})" if right.weight else _factor(right))


def _term(piece: _Piece) -> str:
    """A subtree with its weight, as an argument or the first part of a sum or product."""
    if not piece.weight:
        return piece.text
    return _times("-" if piece.weight == "-1" or piece.weight == "-1.0" else f"{piece.weight}*", piece)


def _times(prefix: str, piece: _Piece) -> str:
    return prefix + _factor(piece)


def _factor(piece: _Piece) -> str:
    """A subtree without its weight, in parentheses where a product would take it apart."""
    return f"({piece.text})" if piece.root in {*SIGNS, "mul", "1", "-1"} else piece.text


def _is_number(piece: _Piece) -> bool:
    return piece.root in ("1", "-1") and not piece.weight
