"""Formulas from text, infix or by name, with numbers as weights; and as text with every bit."""

import math
import re
from difflib import get_close_matches
from typing import NamedTuple, NoReturn

from ..errors import UserError
from ..text import printable
from .functions import FUNCTIONS, TERMINALS, arity
from .printing import infix
from .tree import Formula, Tree

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[-+*/(),])|(?P<end>\Z)|(?P<other>.))",
    re.DOTALL,
)
DEEPEST = 100
"""How many parentheses may stand within each other."""

DIVIDE = (
    "div(a, b), which is a / sqrt(1 + b^2), is the only quotient; write it by name, or divide by a number, as in f/2"
)
POWER = "write square(a), or a*a*a"
KNOWN = f"write y for the target, f for the prediction, a number, or one of the functions {', '.join(FUNCTIONS)}"


def read_formula(text: str) -> Formula:
    """Reads a formula from text.

    `y` is the target and `f` the prediction. Functions are written by name, `mul(y, f)`, and sums, differences and
    products also as `y + f`, `y - f`, `y*f`; the names are add, sub, mul, div, sign, square, abs, log, sqrt, tanh, min
    and max. A number before an expression, `2*f`, or after it, `f*2` or `f/2`, is the expression's weight, and numbers
    that meet are multiplied; `-f` has the weight -1. A number that stands alone, or in parentheses, is the constant 1
    (or -1) with a weight. The whole expression has no weight: `2*f` by itself is `mul(2, f)`.

    div(a, b) is a / sqrt(1 + b^2); log and sqrt are those of max(|a|, 1e-7).

    Args:
        text: at most 100 parentheses deep.

    Returns:
        The tree and its weights, which are 1 where the text gives none.

    Raises:
        UserError: the text is not a formula; the message points at the place.

    Example:
        >>> formula = read_formula("abs(log(1.1*y*f))")
        >>> print(formula.tree, formula.weights)
        abs(log(mul(y, f))) (1.0, 1.0, 1.1, 1.0)
    """
    if not isinstance(text, str):
        raise UserError(f"a formula is read from text such as 'abs(log(y*f))', got {text!r}.")
    nodes, weights = _Reader(text).whole()
    if weights[0] != 1.0:
        left, size = _constant(weights[0])
        nodes, weights = ("mul", left, *nodes), (1.0, size, 1.0, *weights[1:])
    return Formula(Tree(nodes), weights[1:])


def exact(formula: Formula) -> str:
    """Writes a formula with so many digits, at most 17, that `read_formula` gives it back to the bit.

    Example:
        >>> exact(read_formula("abs(log(1.1*y*f))"))
        'abs(log(1.1*y*f))'
    """
    return infix(formula.tree.nodes, formula.weights, repr)


class _Term(NamedTuple):
    """A part of the text: its nodes, and a weight of each. A `bare` number may yet become another term's weight."""

    nodes: tuple[str, ...]
    weights: tuple[float, ...]
    bare: bool = False

    @property
    def value(self) -> float:
        """The value of a number."""
        return float(self.nodes[0]) * self.weights[0]


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def _constant(value: float) -> tuple[str, float]:
    """The terminal, and its weight, that stand for a number."""
    return ("-1" if math.copysign(1.0, value) < 0 else "1"), abs(value)


def _number(value: float) -> _Term:
    node, weight = _constant(value)
    return _Term((node,), (weight,), bare=True)


def _call(name: str, parts: list[_Term]) -> _Term:
    return _Term((name, *(n for p in parts for n in p.nodes)), (1.0, *(w for p in parts for w in p.weights)))


class _Reader:
    """Reads from left to right; `token` is the next one."""

    def __init__(self, source: str) -> None:
        self.source, self.depth, self.position = source, 0, 0
        self._advance()

    def whole(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        term = self._sum()
        if self.token.kind != "end":
            self._unexpected("write an operator, + - or *, before it" if self.token.text not in (")", ",") else KNOWN)
        return term.nodes, term.weights

    def _sum(self) -> _Term:
        left = self._product()
        while self.token.text in ("+", "-"):
            name = "add" if self._advance().text == "+" else "sub"
            left = _call(name, [left, self._product()])
        return left

    def _product(self) -> _Term:
        left = self._signed()
        while self.token.text in ("*", "/"):
            operator, at = self._advance(), self.token
            right = self._signed()
            if operator.text == "/":
                if not right.bare:
                    self._wrong("division by an expression", DIVIDE, at)
                if right.value == 0:
                    self._wrong("division by 0", "divide by another number", at)
                left = self._weighted(left, left.weights[0] / right.value, at)
            elif right.bare:
                left = self._weighted(left, left.weights[0] * right.value, at)
            elif left.bare:
                left = self._weighted(right, left.value * right.weights[0], at)
            else:
                left = _call("mul", [left, right])
        return left

    def _weighted(self, term: _Term, weight: float, at: _Token) -> _Term:
        if not math.isfinite(weight):
            self._wrong("the weight is too large for a floating-point number", "write a smaller one", at)
        if term.bare:
            return _number(float(term.nodes[0]) * weight)
        return _Term(term.nodes, (weight, *term.weights[1:]))

    def _signed(self) -> _Term:
        negative = False
        while self.token.text in ("+", "-"):
            negative ^= self._advance().text == "-"
        at = self.token
        term = self._atom()
        return self._weighted(term, -term.weights[0], at) if negative else term

    def _atom(self) -> _Term:
        token = self._advance()
        if token.kind == "number":
            value = float(token.text)
            if math.isinf(value):
                self._wrong("the number is too large for a floating-point number", "write a smaller one", token)
            return _number(value)
        if token.kind == "name" and token.text in TERMINALS:
            if self.token.text == "(":
                self._wrong(f"{token.text} is not a function", f"write {token.text}*(...) for a product", token)
            return _Term((token.text,), (1.0,))
        if token.kind == "name":
            return self._function(token)
        if token.text == "(":
            self._deeper(token)
            inside = self._sum()
            self._close(token)
            return inside._replace(bare=False)
        return self._unexpected(KNOWN, token)

    def _function(self, token: _Token) -> _Term:
        name = token.text
        if name not in FUNCTIONS:
            close = get_close_matches(name, [*FUNCTIONS, "y", "f"], 1)
            self._wrong(f"unknown name {name!r}" + (f" (is it {close[0]}?)" if close else ""), KNOWN, token)
        example = f"{name}({', '.join(('y', 'f')[-arity(name) :])})"
        if self.token.text != "(":
            self._wrong(f"expected ( after {name}, got {self._shown(self.token)}", f"write {example}", self.token)
        self._deeper(self._advance())
        if self.token.text == ")":
            self._wrong(f"{name} has no arguments", f"write {example}", self.token)
        parts = [self._sum()]
        while self.token.text == ",":
            self._advance()
            parts.append(self._sum())
        closing = self.token
        self._close(token)
        if len(parts) != arity(name):
            self._wrong(f"{name} takes {arity(name)} argument(s), got {len(parts)}", f"write {example}", closing)
        return _call(name, parts)

    def _deeper(self, token: _Token) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            self._wrong(f"more than {DEEPEST} parentheses within each other", "write a flatter formula", token)

    def _close(self, opened: _Token) -> None:
        if self.token.text != ")":
            self._unexpected(f"write ) to close {self._shown(opened)} at position {opened.at + 1}")
        self.depth -= 1
        self._advance()

    def _advance(self) -> _Token:
        """Takes the next token, and reads the one after it."""
        found = TOKEN.match(self.source, self.position)
        assert found is not None
        assert found.lastgroup is not None
        taken = getattr(self, "token", _Token("start", "", 0))
        self.token = _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        self.position = found.end()
        return taken

    def _unexpected(self, advice: str, token: _Token | None = None) -> NoReturn:
        token = token or self.token
        advice = POWER if token.text in ("**", "^") or (token.text == "*" and self.token.text == "*") else advice
        self._wrong(f"unexpected {self._shown(token)}", advice, token)

    def _shown(self, token: _Token) -> str:
        return "the end" if token.kind == "end" else printable(token.text)

    def _wrong(self, words: str, advice: str, token: _Token) -> NoReturn:
        before, after = self.source[max(0, token.at - 40) : token.at], self.source[token.at : token.at + 40]
        place = f"    {printable(before)}{printable(after)}\n    {' ' * len(printable(before))}^"
        raise UserError(f"cannot read the formula at position {token.at + 1}: {words}; {advice}.\n{place}")
