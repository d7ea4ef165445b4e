"""Tournaments are DEAP's under the same draws; parsimony and elites do what they say."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfl.symbolic import elite, half_and_half, tournament

from .published import Published


@pytest.mark.parametrize("parsimony", [1.0, 1.4, 2.0])
@pytest.mark.parametrize("entrants", [1, 4])
def test_winners_are_those_of_deap_under_the_same_draws(parsimony: float, entrants: int, published: Published) -> None:
    rng = random.Random(0)
    trees = [half_and_half(rng, 0, 4) for _ in range(25)]
    fitness = [rng.choice([0.1, 0.2, 0.3, math.inf]) for _ in trees]
    mine = random.Random(5)
    published.draw_from(random.Random(5))
    sizes = [tree.size for tree in trees]
    for _ in range(300):
        winner = tournament(fitness, sizes, mine, entrants=entrants, parsimony=parsimony)
        assert winner == published.select(trees, fitness, entrants, parsimony)


def test_the_chance_to_win_is_that_of_the_closed_form() -> None:
    """The rank r of n wins with probability ((n-r)^k - (n-r-1)^k) / n^k."""
    n, k, draws = 5, 4, 20_000
    rng = random.Random(1)
    wins = [tournament(range(n), [3] * n, rng, entrants=k) for _ in range(draws)]
    for rank in range(n):
        chance = ((n - rank) ** k - (n - rank - 1) ** k) / n**k
        assert wins.count(rank) / draws == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / draws))


@pytest.mark.parametrize("parsimony", [1.0, 1.4, 2.0])
def test_the_smaller_of_two_enters_with_half_of_the_parsimony(parsimony: float) -> None:
    rng = random.Random(2)
    wins = [tournament([0.0, 0.0], [3, 9], rng, entrants=1, parsimony=parsimony) for _ in range(20_000)]
    chance = 1 / 4 + parsimony / 4  # both draws the smaller, or one of each and then the duel
    assert wins.count(0) / 20_000 == pytest.approx(chance, abs=0.014)


@given(st.lists(st.sampled_from([0.5, 1.0, math.nan, math.inf, -math.inf]), min_size=1, max_size=6), st.integers())
def test_what_is_not_finite_wins_only_among_its_like(fitness: list[float], seed: int) -> None:
    winner = tournament(fitness, [1] * len(fitness), random.Random(seed), entrants=200)
    if any(math.isfinite(value) for value in fitness):
        assert fitness[winner] == min(value for value in fitness if math.isfinite(value))


def test_elites_are_different_finite_and_best_first() -> None:
    fitness = [0.3, math.nan, 0.1, 0.1, math.inf, 0.2, -math.inf]
    assert elite(fitness, list("aabbcde"), 3) == (2, 5, 0)
    assert elite(fitness, list("aabbcde"), 7) == (2, 5, 0)
    assert elite(fitness, list("aabbcde"), 0) == ()
