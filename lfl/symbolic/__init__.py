"""Losses as formulas: expression trees, their text and meaning, and the genetic programming that changes them."""

from .canonical import canonical, plain_key, weighted_key
from .evaluate import evaluate
from .fingerprint import fingerprint, grid, same, scale_between
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
    "canonical",
    "correction",
    "crossover",
    "elite",
    "evaluate",
    "exact",
    "fingerprint",
    "first_population",
    "full",
    "grid",
    "grow",
    "half_and_half",
    "has_both",
    "mutation",
    "next_population",
    "plain_key",
    "read_formula",
    "same",
    "scale_between",
    "tournament",
    "unit",
    "weighted_key",
]
