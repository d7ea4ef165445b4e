"""Generations of formulas: drawn, given by the user, and bred from the generation before."""

from collections.abc import Sequence

from ..errors import UserError
from ..evolution_settings import Evolution
from ..loss.symbolic import as_formula
from ..symbolic import Breeding, Tree, first_population, next_population
from .search import Breed
from .state import Candidate, State


def read_guesses(texts: Sequence[str], population: int) -> tuple[Tree, ...]:
    """Reads formulas that a search is to begin with; their numbers begin at 1, as those of all candidates do.

    Raises:
        UserError: text that is no formula, one without y or f, or more of them than the population has places.
    """
    trees = tuple(as_formula(text).tree for text in texts)
    for text, tree in zip(texts, trees, strict=True):
        if "y" not in tree.nodes:
            raise UserError(f"the guess {text!r} lacks y, the target; give a formula of y and f.")
    if len(trees) > population:
        raise UserError(f"there are {len(trees)} guesses for a population of {population}; give fewer of them.")
    return trees


def breed_formulas(evolution: Evolution, seed: int, guesses: Sequence[Tree] = ()) -> Breed:
    """Returns what makes generations of formulas by genetic programming.

    Args:
        evolution: the settings of the search.
        seed: of the run.
        guesses: take the first slots of generation 0.
    """
    breeding = Breeding(
        population=evolution.population,
        entrants=evolution.tournament,
        parsimony=evolution.parsimony,
        crossover=evolution.crossover,
        mutation=evolution.mutation,
        elitism=evolution.elitism,
        max_height=evolution.max_height,
    )

    def breed(state: State) -> list[Candidate]:
        if state.generation == 0:
            drawn = [Candidate(child.tree, None, *child[1:]) for child in first_population(breeding, seed)]
            return [*(Candidate(tree, operator="guess") for tree in guesses), *drawn[len(guesses) :]]
        children = next_population(state.trees, state.past[-1], breeding, seed, state.generation)
        return [Candidate(child.tree, None, *child[1:]) for child in children]

    return breed
