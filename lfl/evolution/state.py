"""The state of a search as data: what its candidates were found to be, and the generation that is next."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..run.searched import Verdict
from ..symbolic import Formula, Tree, unit
from .outcome import Outcome


class Candidate(NamedTuple):
    """A loss that is to be evaluated, and where it comes from.

    Args:
        tree: the formula.
        weights: its numbers, where they are given and not to be found.
        operator: what made it: `"initial"`, `"guess"`, `"crossover"`, `"mutation"`, `"copy"`, `"elite"` or `"cma"`.
        parents: slots in the generation before.
        corrected: whether an argument that it lacked was put in.
    """

    tree: Tree
    weights: tuple[float, ...] | None = None
    operator: str = "initial"
    parents: tuple[int, ...] = ()
    corrected: bool = False


class Evaluated(NamedTuple):
    """A candidate that was evaluated, or that repeats one that was.

    Args:
        place: generation and slot.
        candidate: it.
        weights: after local search; None of a repeat.
        verdict, reason, fitness, improvement: as in `Outcome`.
        repeats: the place of the first candidate of the same key.
        seconds: of its evaluation; no part of the search.
    """

    place: tuple[int, int]
    candidate: Candidate
    weights: tuple[float, ...] | None
    verdict: Verdict
    reason: str
    fitness: float
    improvement: float | None
    repeats: tuple[int, int] | None = None
    seconds: float = 0.0

    @property
    def tree(self) -> Tree:
        """The formula without its numbers."""
        return self.candidate.tree

    @property
    def formula(self) -> Formula:
        """The formula with its numbers; of a repeat with numbers of 1."""
        return unit(self.tree) if self.weights is None else Formula(self.tree, self.weights)


def evaluated(place: tuple[int, int], candidate: Candidate, outcome: Outcome) -> Evaluated:
    """A candidate with what its evaluation found."""
    found = outcome.verdict, outcome.reason, outcome.fitness, outcome.improvement
    return Evaluated(place, candidate, outcome.weights, *found, None, outcome.seconds)


def repeated(place: tuple[int, int], candidate: Candidate, first: Evaluated) -> Evaluated:
    """A candidate that has the verdict and the fitness of an earlier one."""
    found = first.verdict, first.reason, first.fitness, first.improvement
    return Evaluated(place, candidate, None, *found, first.place)


@dataclass(frozen=True)
class State:
    """A search after some of its candidates. It follows from the candidates alone, in their order.

    Args:
        past: fitness of each generation that is complete.
        trees: of the last complete generation.
        current: the candidates of the generation under way, from slot 0 on.
        archive: the first candidate of each key, of complete generations.
        front: no other candidate beats these in size and error at once; by size.
        best: the candidate of least fitness, the first of equal ones.
        counts: of each verdict, and of repeats.
    """

    past: tuple[tuple[float, ...], ...] = ()
    trees: tuple[Tree, ...] = ()
    current: tuple[Evaluated, ...] = ()
    archive: Mapping[str, Evaluated] = field(default_factory=dict)
    front: tuple[Evaluated, ...] = ()
    best: Evaluated | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        """The number of the generation under way, from 0 on."""
        return len(self.past)

    @property
    def num_candidates(self) -> int:
        """How many candidates there were, with repeats."""
        return sum(self.counts.values())


def counted(state: State, found: Evaluated) -> State:
    """Adds a candidate to the counts and to the generation under way, and keeps it if it is the best."""
    name = "repeats" if found.repeats is not None else found.verdict
    best = state.best
    if found.repeats is None and math.isfinite(found.fitness) and (best is None or found.fitness < best.fitness):
        best = found
    counts = {**state.counts, name: state.counts.get(name, 0) + 1}
    return replace(state, current=(*state.current, found), best=best, counts=counts)
