"""Clipping of gradients to a greatest norm."""

import torch

from ..trees import leaves, map_tree
from ..types import Rate, Tree
from .optimiser import Optimiser, apply_update, as_optimiser, check, rate_of, with_rate


def clip(optimiser: Optimiser, max_norm: float) -> Optimiser:
    """Makes an optimiser that scales gradients down to a norm of `max_norm` before it updates.

        g' = g min(1, max_norm / |g|)        |g| over all parameters together

    Args:
        optimiser: the optimiser that is given the clipped gradients.
        max_norm: the greatest Euclidean norm.

    Returns:
        An `Optimiser`, differentiable like `optimiser`.

    Raises:
        UserError: a negative or non-finite `max_norm`, or no optimiser.

    Example:
        >>> from lfl.optimiser import sgd
        >>> theta = {"w": torch.tensor([0.0, 0.0])}
        >>> init, update = clip(sgd(1.0), 1.0)
        >>> update({"w": torch.tensor([3.0, 4.0])}, init(theta), theta)[0]
        {'w': tensor([-0.6000, -0.8000])}

    Source: Pascanu et al. (2013), Algorithm 1.
    """
    check(max_norm=max_norm)
    optimiser = as_optimiser("optimiser", optimiser)

    def update(grads: Tree, state: Tree, theta: Tree, lr: Rate | None = None) -> tuple[Tree, Tree]:
        square = torch.stack([g.square().sum() for g in leaves(grads)]).sum()
        long = square > max_norm**2
        # The root has no derivative at zero, where nothing is clipped.
        factor = torch.where(long, max_norm / torch.where(long, square, 1.0).sqrt(), 1.0)
        return apply_update(optimiser, map_tree(lambda g: g * factor, grads), state, theta, lr)

    return Optimiser(optimiser.init, with_rate(update, rate_of(optimiser)))
