"""A generation is the published one under the same draws, keyed by slot; sizes and shares are the simulated ones."""

import random
import statistics
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.randomness import choices
from lfl.symbolic import Breeding, Child, Tree, correction, first_population, has_both, next_population

from .published import OneChoice, Published


def evolve(breeding: Breeding, seed: int, generations: int) -> list[list[Child]]:
    """Generations under a random fitness for each different tree."""
    rng, fitness = random.Random(seed), dict[Tree, float]()
    history = [list(first_population(breeding, seed))]
    for generation in range(1, generations):
        trees = [child.tree for child in history[-1]]
        values = [fitness.setdefault(tree, rng.random()) for tree in trees]
        history.append(list(next_population(trees, values, breeding, seed, generation)))
    return history


def test_a_generation_is_the_published_one_under_the_same_draws(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over 30 generations, with the published loop written out over DEAP's operators."""
    monkeypatch.setattr("lfl.symbolic.population.choices", lambda *key: OneChoice(choices(*key).random()))
    breeding, seed = Breeding(max_height=5), 3

    def keyed(stream: str, generation: int, slot: int) -> random.Random:
        rng = OneChoice(choices(seed, stream, generation, slot).random())
        published.draw_from(rng)
        return rng

    history = evolve(breeding, seed, 30)
    fitness, rng = dict[Tree, float](), random.Random(seed)
    trees = []
    for slot in range(25):
        keyed("tree", 0, slot)
        trees.append(correction(published.draw("genHalfAndHalf", 2, 4), keyed("correction", 0, slot)))
    for generation, found in enumerate(history):
        assert trees == [child.tree for child in found]
        values = [fitness.setdefault(tree, rng.random()) for tree in trees]
        selected = []
        for slot in range(25):
            keyed("selection", generation + 1, slot)
            selected.append(trees[published.select(trees, values, 4, 1)])
        trees = []
        for slot, parent in enumerate(selected):
            draw = keyed("operator", generation + 1, slot).random()
            child = parent
            if draw < 0.7:
                mate = keyed("crossover", generation + 1, slot).choice(selected)
                child, _ = published.cross(parent, mate)
            elif draw < 0.7 + 0.25:
                keyed("mutation", generation + 1, slot)
                child = published.mutate(parent, 0, 2)
            child = parent if child.height > 5 else child
            trees.append(correction(child, keyed("correction", generation + 1, slot)))


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**31),
    st.builds(
        Breeding,
        population=st.integers(1, 8),
        entrants=st.integers(1, 5),
        parsimony=st.floats(1, 2),
        crossover=st.floats(0, 0.7),
        mutation=st.floats(0, 0.3),
        elitism=st.integers(0, 1),
        max_height=st.integers(4, 6),
    ),
)
def test_each_child_has_both_arguments_and_may_be_one_over_the_height_where_corrected(
    seed: int, breeding: Breeding
) -> None:
    history = evolve(breeding, seed, 6)
    assert history == evolve(breeding, seed, 6)
    for before, generation in zip([[], *history], history, strict=False):
        assert len(generation) == breeding.population
        for child in generation:
            assert has_both(child.tree)
            assert child.tree.height <= breeding.max_height + 1
            if child.operator in ("copy", "elite"):
                assert child.tree == before[child.parents[0]].tree
                assert not child.corrected
            assert len(child.parents) == {"initial": 0, "crossover": 2}.get(child.operator, 1)


def test_a_slot_s_draws_do_not_depend_on_the_other_slots() -> None:
    few, many = Breeding(population=6, crossover=0.0, mutation=1.0), Breeding(population=9, crossover=0.0, mutation=1.0)
    assert first_population(many, 0)[:6] == first_population(few, 0)
    trees = [child.tree for child in first_population(few, 0)]
    fitness = [float(i) for i in range(6)]
    assert next_population(trees, fitness, many, 0, 1)[:6] == next_population(trees, fitness, few, 0, 1)
    assert next_population(trees, fitness, few, 0, 2) != next_population(trees, fitness, few, 0, 1)
    assert next_population(trees, fitness, few, 1, 1) != next_population(trees, fitness, few, 0, 1)


def test_elites_hold_the_first_slots_and_leave_the_others_as_they_are() -> None:
    breeding = Breeding(population=6)
    trees = [child.tree for child in first_population(breeding, 4)]
    fitness = [0.5, 0.2, float("nan"), 0.1, 0.4, 0.3]
    plain = next_population(trees, fitness, breeding, 4, 1)
    kept = next_population(trees, fitness, replace(breeding, elitism=2), 4, 1)
    assert [(child.tree, child.operator, child.parents) for child in kept[:2]] == [
        (trees[3], "elite", (3,)),
        (trees[1], "elite", (1,)),
    ]
    assert kept[2:] == plain[2:]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("parsimony", 2.5, "parsimony must be from 1 to 2, got 2.5"),
        ("mutation", 0.4, "mutation must be from 0 to 1 - crossover = 0.3, got 0.4"),
        ("elitism", 26, "elitism must be from 0 to the population"),
        ("max_height", 3, "max_height must be at least the greatest initial height, got 3"),
        ("initial_heights", (3, 2), "initial_heights must be 0 <= least <= greatest"),
        ("population", 0, "population must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: object, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        replace(Breeding(), **{setting: value})


def test_each_tree_needs_a_fitness() -> None:
    with pytest.raises(lfl.UserError, match="got 1 tree"):
        next_population([Tree(("f",))], [], Breeding(), 0, 1)


@pytest.mark.slow
def test_runs_of_1250_trees_have_the_simulated_shares_and_sizes() -> None:
    """Under random fitness: 35 % repeats, 27 % corrected, 10 nodes in the mean, the largest tree about 34.

    100 runs whose repeats deviate by 0.10, corrections by 0.066, mean sizes by 2.9 and largest sizes by 9.8: the limits
    are 4 deviations of a mean of 100 (for the median 5), and for a figure simulated with 200 runs."""
    repeats, corrected, sizes, largest = [], [], [], []
    for seed in range(100):
        children = [child for generation in evolve(Breeding(), seed, 50) for child in generation]
        repeats.append(1 - len({child.tree for child in children}) / len(children))
        corrected.append(sum(child.corrected for child in children) / len(children))
        sizes.append(statistics.mean(child.tree.size for child in children))
        largest.append(max(child.tree.size for child in children))
    assert statistics.mean(repeats) == pytest.approx(0.35, abs=0.049)
    assert statistics.mean(corrected) == pytest.approx(0.27, abs=0.033)
    assert statistics.mean(sizes) == pytest.approx(10, abs=1.45)
    assert statistics.median(largest) == pytest.approx(34, abs=6)
    assert sum(size <= 64 for size in largest) / 100 >= 0.9
