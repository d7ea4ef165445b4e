"""What a formula does to training, as numbers: its slope by the prediction on a fixed grid."""

import torch

from ..errors import UserError, one_of
from ..types import Kind
from .evaluate import evaluate
from .tree import Formula

PRECISION = 1e-6
"""Largest relative difference between slopes that count as the same."""

ROUNDING = 1e-12
"""Differences up to this, relative to the largest slope, are taken for rounding where terms cancel."""


def grid(kind: Kind, low: float = -2.0, high: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the targets and predictions of fingerprints, float64.

    Args:
        kind: with classes or labels, targets 0 and 1, and 33 probabilities from 0.001 to 0.999, `[66]`; with real
            values 17 targets by 17 predictions, `[289]`.
        low, high: the range of the real values, in the targets' unit.

    Raises:
        UserError: an unknown kind, or a range that is empty or not finite.
    """
    one_of("kind", kind, ["classification", "regression", "multilabel"])
    if kind == "regression":
        if not -float("inf") < low < high < float("inf"):
            raise UserError(f"the range must go from a finite number to a larger one, got {low} to {high}.")
        y = f = torch.linspace(low, high, 17, dtype=torch.float64)
    else:
        y = torch.tensor([0.0, 1.0], dtype=torch.float64)
        f = torch.linspace(1e-3, 0.999, 33, dtype=torch.float64)
    pairs = torch.cartesian_prod(y, f)
    return pairs[:, 0], pairs[:, 1]


def fingerprint(formula: Formula, y: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """Computes dl/df at each point: all of a loss that training sees, as constants add nothing.

    Args:
        formula: with its weights; those of 1 before local search.
        y, f: the points, float64, from `grid`.

    Returns:
        Slopes of the shape of `f`; they may be infinite or NaN.

    Example:
        >>> from lfl.symbolic.text import read_formula
        >>> y, f = torch.zeros(2, dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)
        >>> fingerprint(read_formula("square(y - f)"), y, f)
        tensor([1., 4.], dtype=torch.float64)
    """

    def total(f: torch.Tensor) -> torch.Tensor:
        return evaluate(formula.tree, formula.weights, y, f).sum()

    slope: torch.Tensor = torch.func.grad(total)(f)
    return slope


def same(first: torch.Tensor, second: torch.Tensor, relative: float = PRECISION) -> bool:
    """Returns whether two fingerprints agree at each point; none agrees with one that is not finite.

    Args:
        first, second: fingerprints on one grid.
        relative: the largest difference at a point, relative to the larger of its two slopes.
    """
    if not (first.isfinite().all() and second.isfinite().all()):
        return False
    size = torch.maximum(first.abs(), second.abs())
    return bool(((first - second).abs() <= relative * size + ROUNDING * size.max()).all())


def scale_between(first: torch.Tensor, second: torch.Tensor, relative: float = PRECISION) -> float | None:
    """Returns c > 0 where `second` is c times `first`, which is a learning rate's difference; None where there is none.

    Two losses with a scale between them are not the same loss: they train the same way only at other rates.

    Args:
        first, second, relative: as in `same`.

    Example:
        >>> scale_between(torch.tensor([1.0, -2.0]), torch.tensor([1.5, -3.0]))
        1.5
    """
    if not (first.any() and second.any()):
        return None
    place = first.abs().argmax()
    scale = float(second[place] / first[place])
    return scale if scale > 0 and same(first * scale, second, relative) else None
