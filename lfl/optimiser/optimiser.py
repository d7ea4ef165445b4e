"""What an optimiser is: a pair of pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..errors import UserError

Rate = float | torch.Tensor


class Optimiser(NamedTuple):
    """A pair of pure functions, differentiable in everything that they take.

    Args:
        init: `init(theta) -> state`.
        update: `update(grads, state, theta, lr=None) -> (theta, state)`; `lr` replaces the optimiser's own rate
            and may be a tensor, also one that is differentiated.
    """

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


class Linear(Optimiser):
    """One whose update is linear in gradients, slots and theta, so that its derivative needs no value of them."""

    __slots__ = ()


def check(**settings: float | torch.Tensor) -> None:
    """Raise `UserError` for a setting that is negative or not finite; tensors are taken as they are."""
    for name, value in settings.items():
        if not isinstance(value, torch.Tensor) and not 0.0 <= value < float("inf"):
            raise UserError(f"{name} must be a finite number of at least 0, but {value} came.")
