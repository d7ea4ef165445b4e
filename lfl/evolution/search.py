"""The search itself: pure functions from the candidates so far to the next, each draw keyed by generation and slot."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..errors import UserError
from ..symbolic import plain_key, weighted_key
from .front import extend
from .outcome import Outcome
from .state import Candidate, Evaluated, State, counted, evaluated, repeated

Breed = Callable[[State], Sequence[Candidate]]
"""Makes the candidates of the generation that a state says is next, the same ones each time it is asked."""

EvaluateFrom = Callable[[Sequence[Candidate], int], Iterator[Outcome]]
"""Evaluates candidates in their order, from the one with this number on."""


@dataclass(frozen=True)
class Search:
    """What determines a search beside the fitness of its candidates.

    Args:
        breed: makes a generation.
        key: of a candidate; those that share one are evaluated once.
        population: candidates in a generation.
        generations: how many.
    """

    breed: Breed
    key: Callable[[Candidate], str]
    population: int
    generations: int

    def over(self, state: State) -> bool:
        """Whether all generations are complete."""
        return state.generation >= self.generations


class Step(NamedTuple):
    """A candidate, and the state of the search with it."""

    found: Evaluated
    state: State


def key_of(method: str, repeats: str) -> Callable[[Candidate], str]:
    """Returns what decides whether two candidates are one.

    The evaluation of a candidate depends on it alone, so an archive of rejected ones changes nothing but the time; it
    is kept with the published settings too.

    Args:
        method: `"gp-lfl"`, whose weights are all 1, has wider keys.
        repeats: `"text"` or `"canonical"`.
    """

    def key(candidate: Candidate) -> str:
        if candidate.weights is not None:
            return f"{candidate.tree} {candidate.weights}"
        if repeats == "text":
            return str(candidate.tree)
        return plain_key(candidate.tree) if method == "gp-lfl" else weighted_key(candidate.tree)

    return key


def add(search: Search, state: State, found: Evaluated) -> State:
    """Adds the next candidate to a search; the last one of a generation completes it."""
    state = replace(counted(state, found), front=extend(state.front, found))
    if len(state.current) < search.population:
        return state
    new = {search.key(each.candidate): each for each in state.current if each.repeats is None}
    return replace(
        state,
        past=(*state.past, tuple(each.fitness for each in state.current)),
        trees=tuple(each.tree for each in state.current),
        current=(),
        archive={**state.archive, **new},
    )


def generation(search: Search, state: State, evaluate: EvaluateFrom) -> Generator[Step, None, None]:
    """Evaluates the rest of the generation under way, candidate by candidate.

    Args:
        search: its settings.
        state: of the search.
        evaluate: evaluates the candidates that no earlier one is a repeat of.

    Yields:
        Each candidate in order, and the state with it.
    """
    children = search.breed(state)
    keys = [search.key(child) for child in children]
    first: dict[str, int] = {}
    for slot, key in enumerate(keys):
        if key not in state.archive:
            first.setdefault(key, slot)
    start = len(state.current)
    new = [children[slot] for slot in first.values()]
    outcomes = evaluate(new, sum(slot < start for slot in first.values()))
    for slot in range(start, len(children)):
        place, child, key = (state.generation, slot), children[slot], keys[slot]
        if key in state.archive:
            found = repeated(place, child, state.archive[key])
        elif first[key] < slot:
            found = repeated(place, child, state.current[first[key]])
        else:
            found = evaluated(place, child, next(outcomes))
        state = add(search, state, found)
        yield Step(found, state)


def advance(search: Search, state: State, evaluate: EvaluateFrom) -> State:
    """Completes the generation under way.

    Args:
        search, state, evaluate: as in `generation`.

    Returns:
        The state whose generation is the next one.
    """
    for step in generation(search, state, evaluate):
        state = step.state
    return state


def replay(search: Search, candidates: Iterable[Evaluated], where: str) -> State:
    """Returns the state after candidates that were evaluated before, for instance by a process that was killed.

    Args:
        search: its settings.
        candidates: from the first one on.
        where: the file that they are from, for errors.

    Raises:
        UserError: a candidate is not the one that these settings breed at its place.
    """
    state, children = State(), list[Candidate]()
    for number, found in enumerate(candidates, 1):
        if search.over(state):
            raise UserError(f"{where} has more candidates than the search; it cannot be continued.")
        if not state.current:
            children = list(search.breed(state))
        place = state.generation, len(state.current)
        if found.place != place or found.candidate != children[place[1]]:
            raise UserError(
                f"{where}, line {number}, is not the candidate that the search has at generation {place[0]}, slot "
                f"{place[1]}; the file was changed, or is of another version. Search again into another folder."
            )
        state = add(search, state, found)
    return state
