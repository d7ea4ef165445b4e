"""Stochastic gradient descent with momentum, Nesterov's momentum, and weight decay."""

import torch

from ..errors import UserError
from ..trees import map_tree
from ..types import Rate, Tree
from .optimiser import Linear, Optimiser, check, with_rate
from .rates import map_rates


def sgd(lr: Rate, *, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> Optimiser:
    """Makes stochastic gradient descent.

        d = g + weight_decay theta
        m' = momentum m + d
        theta' = theta - lr (d + momentum m'  if nesterov else  m')

    Args:
        lr: learning rate, per step; a float or a scalar tensor.
        momentum: share of the last step's direction that the next one keeps; with 0 there is no state.
        nesterov: use Nesterov's momentum; needs `momentum > 0`.
        weight_decay: strength of the L2 penalty, added to the gradient.

    Returns:
        An `Optimiser`; equal to `torch.optim.SGD` to rounding.

    Raises:
        UserError: a negative or non-finite setting, or Nesterov without momentum.

    Example:
        >>> init, update = sgd(0.5)
        >>> theta = {"w": torch.tensor([1.0])}
        >>> update({"w": torch.tensor([2.0])}, init(theta), theta)[0]
        {'w': tensor([0.])}

    Source: Sutskever et al. (2013), in the arrangement of `torch.optim.SGD`.
    """
    check(lr=lr, momentum=momentum, weight_decay=weight_decay)
    if nesterov and momentum == 0.0:
        raise UserError("nesterov needs momentum, got momentum 0; give one, such as 0.9.")
    default_lr = lr

    def init(theta: Tree) -> Tree:
        return map_tree(torch.zeros_like, theta) if momentum else {}

    def update(grads: Tree, state: Tree, theta: Tree, lr: Rate | None = None) -> tuple[Tree, Tree]:
        rate = default_lr if lr is None else lr
        direction = map_tree(lambda g, p: g + weight_decay * p, grads, theta) if weight_decay else grads
        if momentum:
            state = map_tree(lambda m, d: momentum * m + d, state, direction)
            direction = map_tree(lambda d, m: d + momentum * m, direction, state) if nesterov else state
        return map_rates(lambda rate, p, d: p - rate * d, rate, theta, direction), state

    return Linear(init, with_rate(update, default_lr))
