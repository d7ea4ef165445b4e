"""Who has children: tournaments on fitness and size, and the best that are kept."""

import math
import random
from collections.abc import Hashable, Sequence


def tournament(
    fitness: Sequence[float], sizes: Sequence[int], rng: random.Random, *, entrants: int = 4, parsimony: float = 1.0
) -> int:
    """Draws the winner of a tournament: the fittest of a few, each of them the winner of a duel on size.

    Each entrant comes from two individuals, uniform with repetition: the smaller one with probability parsimony/2, and
    either with the same chance where the sizes are equal. At 1 size does not matter, at 2 the smaller always enters.

    Args:
        fitness: of each individual; smaller is better, and what is not finite is worst.
        sizes: of each individual, in nodes.
        rng: the draws.
        entrants: how many enter, at least 1.
        parsimony: 1 to 2.

    Returns:
        The winner's index; of equally fit entrants the first one's.

    Example:
        >>> tournament([0.3, 0.1, 0.2], [5, 5, 5], random.Random(0))
        1

    Source: Luke and Panait (2002), "Fighting bloat with nonparametric parsimony pressure"; DEAP's
    `selDoubleTournament` with `fitness_first=False`, which EvoMAL used with parsimony 1.
    """

    def entrant() -> int:
        first, second = (rng.randrange(len(fitness)) for _ in range(2))
        if sizes[first] > sizes[second]:
            first, second = second, first
        probability = 0.5 if sizes[first] == sizes[second] else parsimony / 2
        return first if rng.random() < probability else second

    return min([entrant() for _ in range(entrants)], key=lambda i: comparable(fitness[i]))


def elite(fitness: Sequence[float], individuals: Sequence[Hashable], count: int) -> tuple[int, ...]:
    """Returns the indices of the `count` fittest different individuals, best first; of equal ones the first.

    Those whose fitness is not finite are left out, so there may be fewer.

    Example:
        >>> elite([0.3, 0.1, 0.1, float("nan")], ["a", "b", "b", "c"], 2)
        (1, 0)
    """
    chosen: dict[Hashable, int] = {}
    for i in sorted(range(len(fitness)), key=lambda i: comparable(fitness[i])):
        if math.isfinite(fitness[i]) and len(chosen) < count:
            chosen.setdefault(individuals[i], i)
    return tuple(chosen.values())


def comparable(fitness: float) -> float:
    """Returns a fitness as a number that can be ordered: what is not finite is infinite, the worst."""
    return fitness if math.isfinite(fitness) else math.inf
