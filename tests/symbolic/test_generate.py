"""Random trees are DEAP's under the same draws, and of the heights asked for; corrected trees have both arguments."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.symbolic import ARITHMETIC, TERMINALS, Tree, arity, correction, full, grow, half_and_half, has_both

from .published import Published
from .trees import trees

HEIGHTS = st.tuples(st.integers(0, 4), st.integers(0, 2)).map(lambda pair: (pair[0], pair[0] + pair[1]))
GENERATORS = {"genFull": full, "genGrow": grow, "genHalfAndHalf": half_and_half}


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("heights", [(0, 2), (2, 4), (3, 3), (1, 5)])
def test_trees_are_those_of_deap_under_the_same_draws(
    name: str, heights: tuple[int, int], published: Published
) -> None:
    mine = random.Random(7)
    published.draw_from(random.Random(7))
    for _ in range(200):
        assert GENERATORS[name](mine, *heights) == published.draw(name, *heights)


@given(st.integers(), HEIGHTS)
def test_heights_are_within_the_limits(seed: int, heights: tuple[int, int]) -> None:
    for generator in GENERATORS.values():
        assert heights[0] <= generator(random.Random(seed), *heights).height <= heights[1]
    tree = full(random.Random(seed), *heights)
    leaves = {depth for node, depth in zip(tree.nodes, tree.depths(), strict=True) if arity(node) == 0}
    assert leaves == {tree.height}


@given(trees, st.integers())
def test_a_corrected_tree_has_both_arguments_and_one_terminal_less(tree: Tree, seed: int) -> None:
    corrected = correction(tree, random.Random(seed))
    assert has_both(corrected)
    assert corrected.height <= tree.height + 1
    if has_both(tree):
        assert corrected is tree
        return
    places = [i for i, node in enumerate(tree.nodes) if node in TERMINALS]
    planted = [Tree((name, *pair)) for name in ARITHMETIC for pair in (("y", "f"), ("f", "y"))]
    assert corrected in {tree.replace(i, pair) for i in places for pair in planted}


def test_the_correction_is_uniform_over_places_functions_and_orders() -> None:
    tree = Tree(("add", "f", "mul", "f", "1"))
    rng = random.Random(0)
    drawn = [correction(tree, rng) for _ in range(9600)]
    counts = [drawn.count(each) for each in set(drawn)]
    assert len(counts) == 3 * 4 * 2
    assert sum((n - 400) ** 2 / 400 for n in counts) < 49.7  # chi squared with 23 degrees of freedom, 0.1 %


@pytest.mark.parametrize("heights", [(-1, 2), (3, 2)])
def test_heights_in_the_wrong_order_are_refused(heights: tuple[int, int]) -> None:
    with pytest.raises(lfl.UserError, match="heights of trees"):
        half_and_half(random.Random(0), *heights)


@pytest.mark.slow
def test_initial_trees_have_the_simulated_sizes() -> None:
    drawn = [half_and_half(random.Random(seed), 2, 4) for seed in range(20_000)]
    sizes = sorted(tree.size for tree in drawn)
    assert statistics.mean(sizes) == pytest.approx(8.0, abs=0.15)
    assert statistics.median(sizes) == 7
    assert sum(size <= 17 for size in sizes) / len(sizes) == pytest.approx(0.95, abs=0.01)
    assert sizes[-1] <= 31
    assert sum(not has_both(tree) for tree in drawn) / len(drawn) == pytest.approx(0.70, abs=0.015)
