"""From one generation of trees to the next, each draw keyed by the seed, the generation and the slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..errors import UserError
from ..randomness import choices
from .generate import correction, half_and_half
from .selection import elite, tournament
from .tree import Tree
from .variation import crossover, mutation

Operator = Literal["initial", "crossover", "mutation", "copy", "elite"]


@dataclass(frozen=True, slots=True)
class Breeding:
    """How a generation of trees comes from the one before; the defaults are the published settings.

    Args:
        population: trees in a generation.
        entrants: trees in a tournament.
        parsimony: pressure on size in a tournament, from 1, none, to 2 (`tournament`).
        crossover: probability that a child comes from two parents.
        mutation: probability that it comes from one parent, changed; all others are copies.
        elitism: how many of the best trees are kept in the first slots.
        initial_heights: least and greatest height of a tree of generation 0, before correction.
        mutation_heights: least and greatest height of a subtree that mutation draws.
        max_height: a child that is higher is replaced by its parent; the correction may then add one.

    Raises:
        UserError: a value out of its range.

    Source: Raymond et al. (2023), EvoMAL; the published code's settings, and what it does with them.
    """

    population: int = 25
    entrants: int = 4
    parsimony: float = 1.0
    crossover: float = 0.7
    mutation: float = 0.25
    elitism: int = 0
    initial_heights: tuple[int, int] = (2, 4)
    mutation_heights: tuple[int, int] = (0, 2)
    max_height: int = 10

    def __post_init__(self) -> None:
        ranges = {
            "population": (self.population >= 1, "at least 1"),
            "entrants": (self.entrants >= 1, "at least 1"),
            "parsimony": (1 <= self.parsimony <= 2, "from 1 to 2"),
            "crossover": (0 <= self.crossover <= 1, "from 0 to 1"),
            "mutation": (0 <= self.mutation <= 1 - self.crossover, f"from 0 to 1 - crossover = {1 - self.crossover:g}"),
            "elitism": (0 <= self.elitism <= self.population, "from 0 to the population"),
            "initial_heights": (0 <= self.initial_heights[0] <= self.initial_heights[1], "0 <= least <= greatest"),
            "mutation_heights": (0 <= self.mutation_heights[0] <= self.mutation_heights[1], "0 <= least <= greatest"),
            "max_height": (self.max_height >= self.initial_heights[1], "at least the greatest initial height"),
        }
        for name, (fits, words) in ranges.items():
            if not fits:
                raise UserError(f"{name} must be {words}, got {getattr(self, name)}.")


class Child(NamedTuple):
    """A tree of a generation, and where it comes from.

    Args:
        tree: it has both arguments.
        operator: what made it. A crossover or mutation whose child was too high is a `"copy"`.
        parents: indices in the generation before: none of an initial tree, two of a crossover, else one.
        corrected: whether it lacked an argument and had a terminal replaced.
    """

    tree: Tree
    operator: Operator
    parents: tuple[int, ...]
    corrected: bool


def first_population(breeding: Breeding, seed: int) -> tuple[Child, ...]:
    """Draws generation 0: trees half and half, corrected.

    Args:
        breeding: its `population` and `initial_heights`.
        seed: the run's seed. Slot i's tree depends on the seed and i alone.
    """
    drawn = [half_and_half(choices(seed, "tree", 0, i), *breeding.initial_heights) for i in range(breeding.population)]
    return tuple(_corrected(tree, "initial", (), seed, 0, i) for i, tree in enumerate(drawn))


def next_population(
    population: Sequence[Tree], fitness: Sequence[float], breeding: Breeding, seed: int, generation: int
) -> tuple[Child, ...]:
    """Makes a generation of trees from the one before.

    A tournament selects a parent for each slot. One draw decides whether the slot holds the first child of the parent
    and a mate, uniform over all selected; a mutation of the parent; or the parent. A child over the greatest height is
    replaced by the parent. Children that lack an argument are corrected.

    Args:
        population: the trees of the generation before.
        fitness: of each tree; smaller is better, and what is not finite is worst.
        breeding: the settings; its `population` is the number of children.
        seed: the run's seed.
        generation: the number of the new generation, at least 1. Each slot's draws depend on the seed, the generation
            and the slot alone, so that a generation can be made again.

    Returns:
        The children, by slot.

    Raises:
        UserError: no trees, or another number of fitness values.

    Example:
        >>> trees = [child.tree for child in first_population(Breeding(population=3), seed=0)]
        >>> [child.operator for child in next_population(trees, [0.2, 0.1, 0.3], Breeding(population=3), 0, 1)]
        ['mutation', 'crossover', 'crossover']

    Source: Raymond et al. (2023), EvoMAL; the published code.
    """
    if not population or len(fitness) != len(population):
        raise UserError(f"each tree needs a fitness, got {len(population)} tree(s) and {len(fitness)} value(s).")
    sizes = [tree.size for tree in population]

    def select(slot: int) -> int:
        rng = choices(seed, "selection", generation, slot)
        return tournament(fitness, sizes, rng, entrants=breeding.entrants, parsimony=breeding.parsimony)

    selected = [select(slot) for slot in range(breeding.population)]
    kept = elite(fitness, population, breeding.elitism)
    children = [Child(population[i], "elite", (i,), corrected=False) for i in kept]
    for slot in range(len(kept), breeding.population):
        tree, operator, parents = _varied(population, selected, slot, breeding, seed, generation)
        children.append(_corrected(tree, operator, parents, seed, generation, slot))
    return tuple(children)


def _varied(
    population: Sequence[Tree], selected: Sequence[int], slot: int, breeding: Breeding, seed: int, generation: int
) -> tuple[Tree, Operator, tuple[int, ...]]:
    parent = selected[slot]
    tree = population[parent]
    draw = choices(seed, "operator", generation, slot).random()
    copy: tuple[Tree, Operator, tuple[int, ...]] = tree, "copy", (parent,)
    if draw < breeding.crossover:
        rng = choices(seed, "crossover", generation, slot)
        mate = rng.choice(selected)
        child, _ = crossover(tree, population[mate], rng)
        varied: tuple[Tree, Operator, tuple[int, ...]] = child, "crossover", (parent, mate)
    elif draw < breeding.crossover + breeding.mutation:
        rng = choices(seed, "mutation", generation, slot)
        varied = mutation(tree, rng, *breeding.mutation_heights), "mutation", (parent,)
    else:
        return copy
    return varied if varied[0].height <= breeding.max_height else copy


def _corrected(
    tree: Tree, operator: Operator, parents: tuple[int, ...], seed: int, generation: int, slot: int
) -> Child:
    valid = correction(tree, choices(seed, "correction", generation, slot))
    return Child(valid, operator, parents, corrected=valid != tree)
