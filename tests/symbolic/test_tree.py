"""Trees are complete by construction, and agree with a recursive reading of them."""

import math
import re
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.symbolic import Formula, Tree, unit

from .trees import Nested, nested, trees

ACE = Tree(("abs", "log", "mul", "y", "f"))


def height(node: Nested) -> int:
    return max((1 + height(argument) for argument in node[1:]), default=0)


def size(node: Nested) -> int:
    return 1 + sum(size(argument) for argument in node[1:])


def flat(node: Nested) -> list[Nested]:
    return [node, *(inner for argument in node[1:] for inner in flat(argument))]


@given(trees)
def test_size_height_and_subtrees_are_those_of_a_recursive_reading(tree: Tree) -> None:
    root = nested(tree)
    assert (tree.size, tree.height) == (size(root), height(root))
    for i, node in enumerate(flat(root)):
        assert nested(tree.subtree(i)) == node
        assert tree.end(i) - i == size(node)


@given(trees)
def test_parents_and_depths(tree: Tree) -> None:
    parents, depths = tree.parents(), tree.depths()
    assert parents[0] == -1
    for i in range(1, tree.size):
        assert parents[i] < i < tree.end(parents[i])
        assert depths[i] == depths[parents[i]] + 1


@given(trees, trees, st.data())
def test_a_replaced_subtree_is_there_and_the_rest_is_as_before(tree: Tree, other: Tree, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, tree.size - 1))
    changed = tree.replace(i, other)
    assert changed.subtree(i) == other
    assert changed.size == tree.size - tree.subtree(i).size + other.size
    assert changed.replace(i, tree.subtree(i)) == tree


def test_a_tree_is_a_value() -> None:
    assert Tree(list(ACE.nodes)) == ACE  # type: ignore[arg-type]
    assert len({ACE, Tree(ACE.nodes)}) == 1
    assert str(ACE) == "abs(log(mul(y, f)))"
    assert ACE.parents() == (-1, 0, 1, 2, 2)
    with pytest.raises(FrozenInstanceError):
        ACE.nodes = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (("exp", "f"), "unknown name 'exp' at node 0"),
        (("mul", "y"), "lacks 1 argument"),
        ((), "lacks 1 argument"),
        (("abs", "y", "f"), "ends before node 2, 'f'"),
        ("f", "lfl.read_formula reads text"),
        ((1,), "unknown name 1"),
    ],
)
def test_what_is_not_a_tree_is_refused(nodes: tuple[str, ...], words: str) -> None:
    with pytest.raises(lfl.UserError, match=re.escape(words)):
        Tree(nodes)


def test_formulas_have_a_finite_weight_for_each_node_but_the_root() -> None:
    assert unit(ACE) == Formula(ACE, (1.0, 1.0, 1.0, 1.0))
    assert unit(Tree(("f",))).weights == ()
    with pytest.raises(lfl.UserError, match="has 4 weights, got 3"):
        Formula(ACE, (1.0, 1.0, 1.0))
    with pytest.raises(lfl.UserError, match="got nan as number 2"):
        Formula(ACE, (1.0, 1.0, math.nan, 1.0))
