"""What is printed for reading is the formula, to four digits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.symbolic import Formula, Tree, read_formula

from .trees import trees


@settings(deadline=None)
@given(trees, st.data())
def test_the_people_s_form_is_the_formula_to_four_digits(tree: Tree, data: st.DataObject) -> None:
    weight = st.one_of(st.sampled_from([1.0, -1.0]), st.floats(0.3, 3.0), st.floats(-3.0, -0.3))
    weights = tuple(data.draw(weight) for _ in range(tree.size - 1))
    again = read_formula(str(Formula(tree, weights)))
    assert again.tree == tree
    assert again.weights == pytest.approx(weights, rel=5e-4)


@pytest.mark.parametrize(
    ("nodes", "weights", "text"),
    [
        ("abs log mul y f", (1, 1, 1.1, 1), "abs(log(1.1*y*f))"),
        ("mul 1 log f", (1.1, 1, 1), "1.1*log(f)"),
        ("mul -1 log f", (1, 1, 1), "-log(f)"),
        ("sub y mul f f", (1.23456, -1, 1, 1), "1.235*y - (-(f*f))"),
        ("abs mul 1 f", (1, 2, 3), "abs((2)*(3*f))"),
        ("add 1 f", (-2, 1), "-2*(1) + f"),
        ("div sub y f 1", (1, 1, 1, 0.5), "div(y - f, 0.5)"),
    ],
)
def test_text_for_reading(nodes: str, weights: tuple[float, ...], text: str) -> None:
    assert str(Formula(Tree(tuple(nodes.split())), weights)) == text
