"""A smooth function of one number in [0, 1], evaluated at a grid and interpolated in between: for many outputs."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable

import torch

CELLS = 1024
"""Intervals of the grid: a power of two, by which numbers are multiplied exactly. How exact: `docs/targets.md`."""

LEAST_VALUES = 4 * CELLS
"""With fewer values the function itself is cheaper."""


def interpolated(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, *, cells: int = CELLS
) -> torch.Tensor:
    """Computes a smooth function of one number by cubic interpolation.

    Between two neighbouring points of the grid 0, h, 2h, ..., 1, with h = 1 / cells, it is the cubic polynomial that
    has the function's value and slope at both. For a function with four derivatives

        |value's error| <= h^4 / 384 max |f''''|        |slope's error| <= h^3 sqrt(3) / 216 max |f''''|

    and the slope is continuous. Both have exact derivatives by x and by whatever the function depends on. All of it is
    computed in float64: in float32 the differences between neighbours would lose h^-1 times its precision in the slope.

    Args:
        function: of a float64 scalar; evaluated, with its slope, at `cells + 1` points, under `torch.func.vmap`.
        x: any shape, in [0, 1]; the outermost polynomials are continued beyond.
        cells: number of intervals.

    Returns:
        The function's values, of the shape and dtype of x.

    Example:
        >>> interpolated(torch.exp, torch.tensor([0.3]))
        tensor([1.3499])
    """
    grid = torch.linspace(0.0, 1.0, cells + 1, dtype=torch.float64, device=x.device)
    slope, value = torch.func.vmap(torch.func.grad_and_value(function))(grid)
    slope = slope / cells
    rise = value[1:] - value[:-1]
    cubic = slope[:-1] + slope[1:] - 2 * rise
    square = rise - slope[:-1] - cubic
    scaled = x.reshape(-1).double() * cells
    at = scaled.long().clamp(0, cells - 1)
    t = scaled - at
    found: torch.Tensor = value[:-1][at] + t * (slope[:-1][at] + t * (square[at] + t * cubic[at]))
    return found.to(x.dtype).reshape(x.shape)
