"""The steps of theta on the way, kept in half the memory: their differences from the first theta, in lower precision.

The first theta stays in full precision, and is the master of all: what is rounded is how far a step has come from it,
which is small beside theta itself. So the error is small beside that of a theta kept in bfloat16.
"""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import Any

import torch

from ..errors import UserError
from ..trees import map_tree

Step = tuple[Any, ...]
"""Theta, phi and the optimiser's state before a step, and what else it was taken with."""


def check_stored(stored: Any) -> None:
    """Raises `UserError` unless steps can be kept in a precision; None stands for theta's own."""
    if stored not in (None, torch.bfloat16):
        raise UserError(
            f"stored must be torch.bfloat16 or None, got {stored!r} (float16 cannot hold Adam's averages of squares)."
        )


def lower(precision: torch.dtype, step: Step, first: Step) -> Step:
    """Rounds a step for keeping: theta to its difference from the first, and the optimiser's state.

    Args:
        precision: `torch.bfloat16`, which has 8 bits and the range of float32.
        step: in full precision.
        first: the first step, which is kept as it is.
    """

    def rounded(leaf: Any) -> Any:
        # A count of steps is a tensor without dimensions, and matters to its last digit.
        whole = not isinstance(leaf, torch.Tensor) or leaf.dim() == 0 or not leaf.is_floating_point()
        return leaf if whole else leaf.to(precision)

    theta, phi, state, *rest = step
    change = map_tree(lambda now, then: (now - then).to(precision), theta, first[0])
    return change, phi, map_tree(rounded, state), *rest


def raise_again(step: Step, first: Step) -> Step:
    """The step that was rounded, in the precision of the first one."""

    def like(leaf: Any, then: Any) -> Any:
        return leaf.to(then.dtype) if isinstance(leaf, torch.Tensor) else leaf

    change, phi, state, *rest = step
    theta = map_tree(lambda then, moved: then + moved.to(then.dtype), first[0], change)
    return theta, phi, map_tree(like, state, first[2]), *rest
