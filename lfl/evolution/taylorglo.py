"""TaylorGLO: the numbers of a cubic Taylor polynomial by CMA-ES."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import missing_package
from ..evolution_settings import Evolution
from ..randomness import choices
from ..symbolic import Formula, Tree
from .search import Breed
from .state import Candidate, State

NUM = 8
"""Numbers of the polynomial: the centre (c_y, c_f) and six coefficients."""

WORST = 1e30
"""What CMA-ES, which only ranks, is told in place of an infinite fitness."""


def taylor_formula(numbers: Sequence[float]) -> Formula:
    """Returns a cubic Taylor polynomial as a formula.

    With v = y - c_y and u = f - c_f, as in `lfl.taylor_loss` of order 3: terms without f have no gradient.

        l = a1 u + a2/2 u^2 + a3 v u + a4/6 u^3 + a5/2 v u^2 + a6/2 v^2 u

    Args:
        numbers: c_y, c_f, a1 to a6.

    Example:
        >>> print(taylor_formula([0.5, 0, 1, 0, -2, 0, 0, 0]).tree.size)
        43

    Source: Gonzalez and Miikkulainen (2021), TaylorGLO; the prediction in the place that it has there.
    """
    c_y, c_f, *a = (float(number) for number in numbers)
    u: list[tuple[str, float]] = [("sub", 1.0), ("f", 1.0), ("1", c_f)]
    v: list[tuple[str, float]] = [("sub", 1.0), ("y", 1.0), ("1", c_y)]

    def call(name: str, *parts: list[tuple[str, float]]) -> list[tuple[str, float]]:
        return [(name, 1.0), *(node for part in parts for node in part)]

    def times(number: float, part: list[tuple[str, float]]) -> list[tuple[str, float]]:
        return [(part[0][0], number), *part[1:]]

    terms = [
        times(a[0], u),
        times(a[1] / 2, call("square", u)),
        times(a[2], call("mul", v, u)),
        times(a[3] / 6, call("mul", u, call("square", u))),
        times(a[4] / 2, call("mul", v, call("square", u))),
        times(a[5] / 2, call("mul", u, call("square", v))),
    ]
    whole = terms[0]
    for term in terms[1:]:
        whole = call("add", whole, term)
    return Formula(Tree(tuple(name for name, _ in whole)), tuple(weight for _, weight in whole[1:]))


def breed_polynomials(evolution: Evolution, seed: int) -> Breed:
    """Returns what makes generations of polynomials by CMA-ES, from 0 on with the step size sigma.

    A generation is found by telling CMA-ES of all before it, with the same draws: nothing of it has to be saved.

    Raises:
        MissingPackage: cma is not installed.

    Source: Hansen's `cma`; the settings of Raymond et al. (2023), whose roles of target and prediction were swapped.
    """
    try:
        import cma
    except ModuleNotFoundError as error:
        raise missing_package("--method taylorglo", error) from error

    def breed(state: State) -> list[Candidate]:
        drawn = _Draws(seed)
        options = {"popsize": evolution.population, "randn": drawn, "seed": np.nan, "verbose": -9}
        strategy: Any = cma.CMAEvolutionStrategy([0.0] * NUM, evolution.sigma, options)
        for generation, fitness in enumerate(state.past):
            strategy.tell(
                drawn.ask(strategy, generation), [value if math.isfinite(value) else WORST for value in fitness]
            )
        asked = [taylor_formula(numbers) for numbers in drawn.ask(strategy, state.generation)]
        return [Candidate(formula.tree, formula.weights, "cma") for formula in asked]

    return breed


class _Draws:
    """Normal draws for one generation at a time, keyed by the seed and its number."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.source = np.random.default_rng(0)

    def ask(self, strategy: Any, generation: int) -> list[Any]:
        self.source = np.random.default_rng(choices(self.seed, "cma", generation).getrandbits(64))
        return list(strategy.ask())

    def __call__(self, *shape: int) -> Any:
        return self.source.standard_normal(shape)
