"""Crossover and mutation are DEAP's under the same draws, and give complete trees."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lfl.symbolic import Tree, crossover, half_and_half, mutation

from .published import OneChoice, Published
from .trees import trees


def test_children_are_those_of_deap_under_the_same_draws(published: Published) -> None:
    parents = [half_and_half(random.Random(seed), 0, 5) for seed in range(400)]
    mine = OneChoice(3)
    published.draw_from(OneChoice(3))
    for first, second in zip(parents[::2], parents[1::2], strict=True):
        assert crossover(first, second, mine) == published.cross(first, second)


def test_mutants_are_those_of_deap_under_the_same_draws(published: Published) -> None:
    mine = random.Random(4)
    published.draw_from(random.Random(4))
    for seed in range(300):
        tree = half_and_half(random.Random(seed), 0, 5)
        assert mutation(tree, mine) == published.mutate(tree, 0, 2)


@given(trees, trees, st.integers())
def test_crossover_keeps_roots_and_exchanges_nodes(first: Tree, second: Tree, seed: int) -> None:
    one, two = crossover(first, second, random.Random(seed))
    assert (one.nodes[0], two.nodes[0]) == (first.nodes[0], second.nodes[0])
    assert Counter(one.nodes) + Counter(two.nodes) == Counter(first.nodes) + Counter(second.nodes)


@given(trees, st.integers(), st.integers(0, 2))
def test_mutation_changes_one_subtree(tree: Tree, seed: int, high: int) -> None:
    changed = mutation(tree, random.Random(seed), 0, high)
    low_enough = [i for i in range(min(tree.size, changed.size)) if changed.subtree(i).height <= high]
    assert changed in [tree.replace(i, changed.subtree(i)) for i in low_enough]
