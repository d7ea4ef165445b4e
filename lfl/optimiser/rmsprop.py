"""RMSprop as pure functions."""

from typing import NamedTuple

import torch

from ..errors import UserError
from ..trees import map_tree
from ..types import Rate, Tree
from .optimiser import Optimiser, check, with_rate
from .rates import map_rates
from .roots import safe_sqrt


class RMSpropState(NamedTuple):
    """The state of RMSprop.

    Args:
        square: running mean of the gradient's square, like theta.
        mean: running mean of the gradient, like theta; empty unless centred.
        step: running step, like theta; empty without momentum.
    """

    square: Tree
    mean: Tree
    step: Tree


def rmsprop(
    lr: Rate,
    *,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> Optimiser:
    """Makes RMSprop; weight decay is an L2 penalty, added to the gradient.

        v' = alpha v + (1 - alpha) g^2          c' = alpha c + (1 - alpha) g        c = 0 unless centred
        b' = momentum b + g / (sqrt(v' - c'^2) + eps)
        theta' = theta - lr b'

    Args:
        lr: learning rate, per step; a float or a scalar tensor.
        alpha: share of each running mean that an update keeps; below 1.
        eps: added to the root.
        momentum: share of the last step that the next one keeps.
        centered: whether the gradient's running mean is taken off its running square.
        weight_decay: strength of the penalty.

    Returns:
        An `Optimiser`; equal to `torch.optim.RMSprop` to rounding. Where the root's argument is 0, its derivative is
        taken as 0, instead of infinity.

    Raises:
        UserError: a negative or non-finite setting, or an alpha of 1 or more.

    Example:
        >>> init, update = rmsprop(0.1, alpha=0.75)
        >>> theta = {"w": torch.tensor([1.0])}
        >>> update({"w": torch.tensor([3.0])}, init(theta), theta)[0]
        {'w': tensor([0.8000])}

    Source: Tieleman and Hinton (2012), lecture 6.5; centred: Graves (2013), eqs. 38 to 45, in the arrangement of
    `torch.optim.RMSprop`.
    """
    check(lr=lr, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay)
    if alpha >= 1.0:
        raise UserError(f"alpha must be below 1, got {alpha}; 0.99 is usual.")
    default_lr = lr

    def init(theta: Tree) -> RMSpropState:
        def zeros(wanted: bool) -> Tree:
            return map_tree(torch.zeros_like, theta) if wanted else {}

        return RMSpropState(zeros(True), zeros(centered), zeros(momentum > 0.0))

    def update(grads: Tree, state: RMSpropState, theta: Tree, lr: Rate | None = None) -> tuple[Tree, RMSpropState]:
        rate = default_lr if lr is None else lr
        if weight_decay:
            grads = map_tree(lambda g, p: g + weight_decay * p, grads, theta)
        square = map_tree(lambda v, g: alpha * v + (1.0 - alpha) * g * g, state.square, grads)
        mean, spread = state.mean, square
        if centered:
            mean = map_tree(lambda c, g: alpha * c + (1.0 - alpha) * g, mean, grads)
            spread = map_tree(lambda v, c: v - c * c, square, mean)
        step = map_tree(lambda g, v: g / (safe_sqrt(v) + eps), grads, spread)
        moved = state.step
        if momentum:
            step = moved = map_tree(lambda b, s: momentum * b + s, moved, step)
        theta = map_rates(lambda rate, p, s: p - rate * s, rate, theta, step)
        return theta, RMSpropState(square, mean, moved)

    return Optimiser(init, with_rate(update, default_lr))
