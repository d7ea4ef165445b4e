"""How far a search is, for those who watch it."""

import math
import time
from typing import NamedTuple

from ..evolution_settings import Evolution
from .state import State


class Searching(NamedTuple):
    """How far a search is.

    Args:
        phase: `"search"`, or `"finalists"` while the best are trained again.
        done, total: candidates, or trainings of finalists.
        generation, generations: the one under way, from 0 on, and how many there are.
        evaluated: candidates that were evaluated.
        rejected, not_finite, repeats: how many of the candidates were.
        best, best_error: the formula of least validation error, and it; empty and infinite without one.
        front: size, validation error and formula of those that no other beats.
        seconds: that the search has taken so far.
        seconds_left: until it ends by its number of generations or its time, as far as can be told; None before.
    """

    phase: str
    done: int
    total: int
    generation: int
    generations: int
    evaluated: int
    rejected: int
    not_finite: int
    repeats: int
    best: str
    best_error: float
    front: tuple[tuple[int, float, str], ...]
    seconds: float
    seconds_left: float | None


class Clock:
    """The time that a search has taken, over all processes that worked on it one after the other.

    Args:
        before: seconds that earlier processes took.
        evolution: its settings.
        done: candidates that earlier processes evaluated.
    """

    def __init__(self, before: float, evolution: Evolution, done: int) -> None:
        self.before, self.evolution, self.done = before, evolution, done
        self.start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self.before + time.monotonic() - self.start

    def over(self, state: State) -> bool:
        """Whether the time is over; a search without any formula yet goes on."""
        minutes = self.evolution.minutes
        return minutes is not None and state.best is not None and self.seconds >= 60 * minutes

    def left(self, state: State) -> float | None:
        """Seconds until the search ends, by the candidates so far; None before the first one."""
        now = state.num_candidates - self.done
        total = self.evolution.population * self.evolution.generations
        rest = (self.seconds - self.before) / now * (total - state.num_candidates) if now else None
        if self.evolution.minutes is None:
            return rest
        limit = max(0.0, 60 * self.evolution.minutes - self.seconds)
        return limit if rest is None else min(rest, limit)


def measured(evolution: Evolution, state: State, clock: Clock, finalists: tuple[int, int] | None = None) -> Searching:
    """Returns how far a search is.

    Args:
        evolution, state, clock: of the search.
        finalists: trainings of finalists that are done, and all of them; None while candidates are evaluated.
    """
    counts = state.counts
    total = evolution.population * evolution.generations
    return Searching(
        *("search", state.num_candidates, total) if finalists is None else ("finalists", *finalists),
        generation=min(state.generation, evolution.generations - 1),
        generations=evolution.generations,
        evaluated=sum(number for name, number in counts.items() if name != "repeats"),
        rejected=counts.get("rejected", 0),
        not_finite=counts.get("not finite", 0),
        repeats=counts.get("repeats", 0),
        best="" if state.best is None else str(state.best.formula),
        best_error=math.inf if state.best is None else state.best.fitness,
        front=tuple((each.tree.size, each.fitness, str(each.formula)) for each in state.front),
        seconds=clock.seconds,
        seconds_left=clock.left(state) if finalists is None else None,
    )
