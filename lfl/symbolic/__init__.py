"""Losses as formulas: expression trees, their text and meaning, and the genetic programming that changes them."""

from .evaluate import evaluate
from .functions import ARITHMETIC, FUNCTIONS, TERMINALS, Function, arity
from .text import exact, read_formula
from .tree import Formula, Tree, unit

__all__ = [
    "ARITHMETIC",
    "FUNCTIONS",
    "TERMINALS",
    "Formula",
    "Function",
    "Tree",
    "arity",
    "evaluate",
    "exact",
    "read_formula",
    "unit",
]
