"""Strategies for trees and formulas, and a plain recursive reading of a tree to compare with."""

from typing import Any

from hypothesis import strategies as st

from lfl.symbolic import FUNCTIONS, TERMINALS, Formula, Tree, arity

Nested = tuple[Any, ...]


def _extend(children: st.SearchStrategy[tuple[str, ...]]) -> st.SearchStrategy[tuple[str, ...]]:
    def of(name: str) -> st.SearchStrategy[tuple[str, ...]]:
        return st.tuples(*[children] * arity(name)).map(lambda parts: (name, *(n for part in parts for n in part)))

    return st.sampled_from(list(FUNCTIONS)).flatmap(of)


trees = st.recursive(st.sampled_from(TERMINALS).map(lambda name: (name,)), _extend, max_leaves=12).map(Tree)

numbers = st.one_of(
    st.sampled_from([1.0, -1.0, 0.0, -0.0, 2.5, 5e-324, -1.7976931348623157e308, 0.1 + 0.2]),
    st.floats(allow_nan=False, allow_infinity=False),
)


@st.composite
def formulas(draw: st.DrawFn) -> Formula:
    tree = draw(trees)
    return Formula(tree, tuple(draw(st.lists(numbers, min_size=tree.size - 1, max_size=tree.size - 1))))


def nested(tree: Tree) -> Nested:
    """The tree as (name, argument, ...), read by recursion."""
    names = iter(tree.nodes)

    def read() -> Nested:
        name = next(names)
        return (name, *(read() for _ in range(arity(name))))

    return read()
