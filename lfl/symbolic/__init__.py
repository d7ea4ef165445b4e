"""Losses as formulas: expression trees, their text and meaning, and the genetic programming that changes them."""

from .evaluate import evaluate
from .functions import ARITHMETIC, FUNCTIONS, TERMINALS, Function, arity
from .generate import correction, full, grow, half_and_half, has_both
from .population import Breeding, Child, first_population, next_population
from .selection import elite, tournament
from .text import exact, read_formula
from .tree import Formula, Tree, unit
from .variation import crossover, mutation

__all__ = [
    "ARITHMETIC",
    "FUNCTIONS",
    "TERMINALS",
    "Breeding",
    "Child",
    "Formula",
    "Function",
    "Tree",
    "arity",
    "correction",
    "crossover",
    "elite",
    "evaluate",
    "exact",
    "first_population",
    "full",
    "grow",
    "half_and_half",
    "has_both",
    "mutation",
    "next_population",
    "read_formula",
    "tournament",
    "unit",
]
