"""The choice at the end: the best formulas of a search are trained longer, on seeds that the search has not seen."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from ..evolution_settings import Evolution
from ..run.searched import FinalistLine
from ..symbolic import Formula, exact, fingerprint, grid, same
from ..types import Kind
from .state import Evaluated, State


class Finalist(NamedTuple):
    """A formula with its error in the search, and its errors on other seeds.

    Args:
        found: the candidate.
        errors: a validation error for each seed; infinite where training was not finite.
    """

    found: Evaluated
    errors: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean error over the seeds; of none the error in the search."""
        return sum(self.errors) / len(self.errors) if self.errors else self.found.fitness


class Trial(NamedTuple):
    """A training of a formula on one seed."""

    formula: Formula
    seed: int


def pick_finalists(state: State, kind: Kind, count: int) -> list[Evaluated]:
    """Returns the best candidates of a search that differ in what they do: the front first, best first.

    Args:
        state: of the search.
        kind: of the targets.
        count: how many at most.
    """
    found = [*state.archive.values(), *(each for each in state.current if each.repeats is None)]
    accepted = sorted(
        (each for each in found if each.verdict == "accepted"),
        key=lambda each: (each not in state.front, each.fitness, each.tree.size, each.place),
    )
    points = grid(kind)
    chosen: list[Evaluated] = []
    slopes: list[torch.Tensor] = []
    for each in accepted:
        if len(chosen) == count:
            break
        slope = fingerprint(each.formula, *points)
        if not any(same(slope, other) for other in slopes):
            chosen.append(each)
            slopes.append(slope)
    return chosen


def trials(finalists: Sequence[Evaluated], evolution: Evolution, seed: int) -> list[Trial]:
    """Returns the trainings of the finalists, seed by seed.

    The seeds are neither the search's nor that of the final training.
    """
    seeds = [s for s in range(seed + 1, seed + evolution.finalist_seeds + 2) if s != evolution.final_seed]
    return [Trial(each.formula, s) for s in seeds[: evolution.finalist_seeds] for each in finalists]


def line_of(trial: Trial, found: Evaluated, error: float) -> FinalistLine:
    """A training of a finalist as a line of `finalists.jsonl`."""
    shown = error if math.isfinite(error) else None
    return FinalistLine(
        formula=exact(trial.formula), size=found.tree.size, fitness=found.fitness, seed=trial.seed, error=shown
    )


def with_errors(finalists: Sequence[Evaluated], lines: Sequence[FinalistLine]) -> list[Finalist]:
    """Returns the finalists with the errors of their trainings, best first; equal ones by size.

    Args:
        finalists: of `pick_finalists`.
        lines: of all their trainings, in the order of `trials`.
    """
    errors: list[list[float]] = [[] for _ in finalists]
    for i, line in enumerate(lines):
        errors[i % len(finalists)].append(math.inf if line.error is None else line.error)
    both = [Finalist(found, tuple(own)) for found, own in zip(finalists, errors, strict=True)]
    return sorted(both, key=lambda each: (each.mean, each.found.tree.size))
