"""Text is read as documented, and what is printed reads back to the bit."""

import re
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.symbolic import Formula, Tree, evaluate, exact, read_formula, unit

from .trees import formulas, trees


def bits(formula: Formula) -> bytes:
    return struct.pack(f"{len(formula.weights)}d", *formula.weights)


@settings(deadline=None)
@given(formulas())
def test_the_exact_text_reads_back_to_the_bit(formula: Formula) -> None:
    again = read_formula(exact(formula))
    assert again.tree == formula.tree
    assert bits(again) == bits(formula)


@given(trees)
def test_the_text_of_a_tree_reads_back(tree: Tree) -> None:
    assert read_formula(str(tree)) == unit(tree)
    assert read_formula(exact(unit(tree))) == unit(tree)
    assert read_formula(str(unit(tree))) == unit(tree)


@pytest.mark.parametrize(
    ("text", "nodes", "weights"),
    [
        ("f", "f", ()),
        ("abs(log(mul(y,f)))", "abs log mul y f", (1, 1, 1, 1)),
        (" abs( log( y * f ) )\n", "abs log mul y f", (1, 1, 1, 1)),
        ("abs(log(1.1*y*f))", "abs log mul y f", (1, 1, 1.1, 1)),
        ("abs(1.2*log(1.1*(y*f)))", "abs log mul y f", (1.2, 1.1, 1, 1)),
        ("y*f*2", "mul 1 mul y f", (2, 1, 1, 1)),
        ("abs(y*f*2)", "abs mul y f", (2, 1, 1)),
        ("y*(f*2)", "mul y f", (1, 2)),
        ("2*3*f - f/4", "sub f f", (6, 0.25)),
        ("2/4*f + 3", "add f 1", (0.5, 3)),
        ("f - -2.5", "sub f -1", (1, 2.5)),
        ("-f", "mul -1 f", (1, 1)),
        ("1.1*log(f)", "mul 1 log f", (1.1, 1, 1)),
        ("-2*f", "mul -1 f", (2, 1)),
        ("2.5", "mul 1 1", (2.5, 1)),
        ("-1", "-1", ()),
        ("(2)*f", "mul 1 f", (2, 1)),
        ("y - f - 1", "sub sub y f 1", (1, 1, 1, 1)),
        ("y - (f - 1)", "sub y sub f 1", (1, 1, 1, 1)),
        ("y - f*y", "sub y mul f y", (1, 1, 1, 1)),
        ("tanh(-(y + f))", "tanh add y f", (-1, 1, 1)),
        ("--f*-+y", "mul f y", (1, -1)),
        ("max(.5*y, 1e-3)", "max y 1", (0.5, 1e-3)),
        ("2*(3*f)*(1)", "mul f 1", (6, 1)),
    ],
)
def test_text_is_read_as_documented(text: str, nodes: str, weights: tuple[float, ...]) -> None:
    assert read_formula(text) == Formula(Tree(tuple(nodes.split())), weights)


def test_the_value_is_that_of_the_written_arithmetic() -> None:
    y, f = torch.rand(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    formula = read_formula("2*(y - 0.5*f)*f/3 - 4*y*-y*(f + 1 - 2*f) + 7")
    wanted = 2 * (y - 0.5 * f) * f / 3 - 4 * y * -y * (f + 1 - 2 * f) + 7
    torch.testing.assert_close(evaluate(formula.tree, formula.weights, y, f), wanted)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("abs(f/y)", 7, "division by an expression; div(a, b), which is a / sqrt(1 + b^2)"),
        ("f/0", 3, "division by 0"),
        ("exp(f)", 1, "unknown name 'exp'"),
        ("maxi(y, f)", 1, "is it max?"),
        ("mul(y)", 6, "mul takes 2 argument(s), got 1; write mul(y, f)"),
        ("log(y, f)", 9, "log takes 1 argument(s), got 2; write log(f)"),
        ("log()", 5, "log has no arguments"),
        ("log f", 5, "expected ( after log, got f; write log(f)"),
        ("log", 4, "expected ( after log, got the end"),
        ("abs(y*f", 8, "unexpected the end; write ) to close abs at position 1"),
        ("y*f)", 4, "unexpected )"),
        ("2f", 2, "unexpected f; write an operator"),
        ("y*", 3, "unexpected the end; write y for the target"),
        ("", 1, "unexpected the end"),
        ("y**2", 2, "unexpected **; write square(a)"),
        ("y^2", 2, "unexpected ^; write square(a)"),
        ("y(f)", 1, "y is not a function"),
        ("1e999*f", 1, "too large"),
        ("1e200*1e200*f", 7, "too large"),
        ("(" * 101 + "f", 101, "more than 100 parentheses"),
        ("y*\x1b[31mf", 3, "unexpected \\x1b"),
    ],
)
def test_errors_point_at_the_place(text: str, position: int, words: str) -> None:
    with pytest.raises(lfl.UserError, match=re.escape(words)) as caught:
        read_formula(text)
    first, shown, caret = str(caught.value).split("\n")
    assert f"at position {position}:" in first
    assert caret.index("^") == len("    ") + min(40, position - 1)
    assert shown.isprintable()


def test_only_text_is_read() -> None:
    with pytest.raises(lfl.UserError, match="read from text"):
        read_formula(3)  # type: ignore[arg-type]


@given(st.text("yf12.e()*+-/, logabs", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        formula = read_formula(text)
    except lfl.UserError:
        return
    assert read_formula(exact(formula)) == formula
