"""Solvers of H p = v for trees, where H is known by its products alone."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import math
from collections.abc import Callable

import torch

from ..errors import UserError, one_of
from ..trees import leaves, map_tree
from ..types import Tree

SOLVERS = ("neumann", "cg")


def check(caller: str, solver: str, num_terms: int, rate: float, damping: float, tolerance: float = 0.0) -> None:
    """Raises `UserError` for an unknown solver or a number out of range."""
    one_of("solver", solver, list(SOLVERS))
    if not isinstance(num_terms, int) or num_terms < 1:
        raise UserError(f"{caller} needs a whole number num_terms >= 1, got {num_terms!r}; give 10, for instance.")
    limits = {
        "rate": (rate, "above 0"),
        "damping": (damping, "of at least 0"),
        "tolerance": (tolerance, "of at least 0"),
    }
    for name, (value, least) in limits.items():
        if not math.isfinite(value) or value < 0.0 or (name == "rate" and value == 0.0):
            raise UserError(f"{caller} needs a finite {name} {least}, got {value}.")


def neumann(curvature: Callable[[Tree], Tree], v: Tree, num_terms: int, rate: float) -> Tree:
    """The first terms of the series of H^-1 v: `rate sum_j (I - rate H)^j v`, j below `num_terms`."""
    term: Tree = map_tree(lambda v: rate * v, v)
    total = term
    for _ in range(num_terms - 1):
        term = map_tree(lambda t, h: t - rate * h, term, curvature(term))
        total = map_tree(torch.add, total, term)
    return total


def conjugate_gradient(curvature: Callable[[Tree], Tree], v: Tree, num_terms: int, tolerance: float = 0.0) -> Tree:
    """Solves H p = v for a positive definite H; once the residual is 0, further iterations leave p as it is.

    Args:
        curvature: `curvature(p) -> H p`.
        v: the right side.
        num_terms: iterations, a product each.
        tolerance: the relative residual at which p stays as it is. All iterations are computed all the same, so that
            the function can be vmapped and compiled.

    Source: Hestenes and Stiefel (1952).
    """
    solution: Tree = map_tree(torch.zeros_like, v)
    residual = direction = v
    first = size = _inner(residual, residual)
    for _ in range(num_terms):
        ahead = curvature(direction)
        length = size / _or_one(_inner(direction, ahead))
        if tolerance:
            length = torch.where(size > tolerance**2 * first, length, 0.0)
        solution = map_tree(lambda s, d, a=length: s + a * d, solution, direction)
        residual = map_tree(lambda r, h, a=length: r - a * h, residual, ahead)
        new_size = _inner(residual, residual)
        kept = new_size / _or_one(size)
        direction = map_tree(lambda r, d, b=kept: r + b * d, residual, direction)
        size = new_size
    return solution


def _inner(a: Tree, b: Tree) -> torch.Tensor:
    """The inner product of two trees."""
    return torch.stack([torch.sum(x * y) for x, y in zip(leaves(a), leaves(b), strict=True)]).sum()


def _or_one(x: torch.Tensor) -> torch.Tensor:
    """A divisor that is never 0: where x is 0 nothing is left to solve, and nothing changes."""
    return torch.where(x == 0.0, 1.0, x)
