"""The search as pure functions: continued anywhere it is the same; what it is told decides; a planted loss is found."""

import math
from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.errors import UserError
from lfl.evolution.breeding import breed_formulas, read_guesses
from lfl.evolution.front import extend, front_of, front_table
from lfl.evolution.outcome import Outcome
from lfl.evolution.search import EvaluateFrom, Search, add, advance, generation, key_of, replay
from lfl.evolution.state import Candidate, Evaluated, State
from lfl.evolution_settings import resolve_evolution
from lfl.symbolic import Tree, fingerprint, grid, read_formula, unit
from lfl.task import DEFAULTS
from lfl.types import Kind


def search_of(seed: int, guesses: Sequence[str] = (), **asked: object) -> Search:
    evolution = resolve_evolution(DEFAULTS["digits"], asked, task="digits", seed=seed)
    breed = breed_formulas(evolution, seed, read_guesses(guesses, evolution.population))
    return Search(breed, key_of(evolution.method, evolution.repeats), evolution.population, evolution.generations)


def by_size(candidates: Sequence[Candidate], start: int) -> Iterator[Outcome]:
    """Odd trees are rejected, and small ones are good."""
    for each in candidates[start:]:
        good = each.tree.size % 2 == 0
        weights = (1.0,) * (each.tree.size - 1)
        verdict, fitness = ("accepted", each.tree.size / 100) if good else ("rejected", math.inf)
        yield Outcome(each.tree, weights, verdict, "" if good else "odd", fitness, None, 0.0)


def everything(search: Search) -> list[Evaluated]:
    state, found = State(), []
    while not search.over(state):
        for step in generation(search, state, by_size):
            found.append(step.found)
            state = step.state
    return found


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 20))
def test_a_search_that_is_cut_anywhere_and_continued_is_the_same(seed: int, cut: int) -> None:
    search = search_of(seed, population=5, generations=4)
    whole = everything(search)
    state = replay(search, whole[:cut], "here")
    rest: list[Evaluated] = []
    while not search.over(state):
        for step in generation(search, state, by_size):
            rest.append(step.found)
            state = step.state
    assert [*whole[:cut], *rest] == whole
    assert state == replay(search, whole, "here")


def test_repeats_are_not_evaluated_and_have_the_fitness_of_the_first() -> None:
    search = search_of(1, population=25, generations=12)
    asked: list[str] = []

    def noting(candidates: Sequence[Candidate], start: int) -> Iterator[Outcome]:
        for each, outcome in zip(candidates[start:], by_size(candidates, start), strict=True):
            asked.append(search.key(each))
            yield outcome

    state, found = State(), []
    while not search.over(state):
        for step in generation(search, state, noting):
            found.append(step.found)
            state = step.state
    assert len(asked) == len(set(asked)) < len(found) == 300
    by_place = {each.place: each for each in found}
    repeats = [each for each in found if each.repeats is not None]
    assert state.counts["repeats"] == len(repeats) > 20
    for each in repeats:
        first = by_place[each.repeats]
        assert (first.fitness, first.verdict, first.repeats) == (each.fitness, each.verdict, None)
        assert search.key(first.candidate) == search.key(each.candidate)
    assert any(each.verdict == "rejected" for each in repeats)


def test_a_candidate_of_another_search_is_refused() -> None:
    whole = everything(search_of(0, population=4, generations=2))
    for other in (whole[1:], [whole[0]._replace(place=(0, 1)), *whole[1:]], [*whole, whole[0]]):
        with pytest.raises(UserError, match=r"is not the candidate|more candidates"):
            replay(search_of(0, population=4, generations=2), other, "here")
    with pytest.raises(UserError, match="is not the candidate"):
        replay(search_of(1, population=4, generations=2), whole, "here")


def test_guesses_take_the_first_slots_and_the_others_stay() -> None:
    plain, guessed = search_of(3), search_of(3, ["abs(log(y*f))", "square(y - f)"])
    without, with_both = plain.breed(State()), guessed.breed(State())
    assert [str(each.tree) for each in with_both[:2]] == ["abs(log(mul(y, f)))", "square(sub(y, f))"]
    assert with_both[0].operator == "guess"
    assert with_both[2:] == without[2:]
    with pytest.raises(UserError, match="lacks y"):
        read_guesses(["square(f)"], 5)
    with pytest.raises(UserError, match="2 guesses for a population of 1"):
        read_guesses(["y*f", "y - f"], 1)


@given(st.lists(st.tuples(st.integers(2, 9), st.integers(0, 9)), max_size=30))
def test_the_front_is_what_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    found = []
    for i, (size, error) in enumerate(pairs):
        tree = Tree(("abs",) * (size - 1) + ("f",))
        found.append(Evaluated((0, i), Candidate(tree), (1.0,) * (size - 1), "accepted", "", float(error), None))
    front = front_of(found)
    best = {size: min(e for s, e in pairs if s <= size) for size, _ in pairs}
    wanted = sorted({(s, e) for s, e in pairs if e == best[s] and not any(s2 < s and e2 <= e for s2, e2 in pairs)})
    assert [(each.tree.size, each.fitness) for each in front] == wanted
    assert front_table(front).count(b"\n") == 1 + len(front)


def test_what_is_rejected_or_repeats_is_not_on_the_front() -> None:
    one = Evaluated((0, 0), Candidate(Tree(("abs", "f"))), (1.0,), "rejected", "why", math.inf, None)
    repeat = one._replace(verdict="accepted", fitness=0.1, weights=None, repeats=(0, 0))
    assert extend((), one) == extend((), repeat) == ()


def to_the_planted(kind: Kind, text: str) -> EvaluateFrom:
    """Fitness is one minus the cosine between a tree's slopes and a known loss's: no model is trained."""
    points = grid(kind)
    field = fingerprint(read_formula(text), *points)

    def evaluate(candidates: Sequence[Candidate], start: int) -> Iterator[Outcome]:
        for each in candidates[start:]:
            slope = fingerprint(unit(each.tree), *points)
            usable = bool(torch.isfinite(slope).all()) and bool(slope.any())
            error = float(1 - torch.cosine_similarity(slope, field, dim=0)) if usable else math.inf
            weights = (1.0,) * (each.tree.size - 1)
            yield Outcome(each.tree, weights, "accepted" if usable else "not finite", "", error, None, 0.0)

    return evaluate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "text"), [("classification", "square(y - f)"), ("regression", "abs(y - f)")], ids=["squared", "absolute"]
)
def test_a_planted_loss_is_found_within_the_published_budget(kind: Kind, text: str) -> None:
    evaluate, hits = to_the_planted(kind, text), []
    for seed in range(10):
        search, state = search_of(seed, published=True, method="gp-lfl"), State()
        while not search.over(state) and (state.best is None or state.best.fitness > 1e-9):
            state = advance(search, state, evaluate)
        assert state.best is not None
        hits.append(state.best.fitness <= 1e-9)
    assert sum(hits) >= 9, hits


def test_adding_completes_a_generation() -> None:
    search = search_of(0, population=3, generations=2)
    state = State()
    for step in generation(search, state, by_size):
        assert step.state == add(search, state, step.found)
        state = step.state
    assert (state.generation, state.current, len(state.past[0])) == (1, (), 3)
