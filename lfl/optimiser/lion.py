"""Lion as pure functions."""

import torch

from ..errors import UserError
from ..trees import map_tree
from ..types import Rate, Tree
from .optimiser import Optimiser, check, with_rate
from .rates import map_rates


def lion(
    lr: Rate, *, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0, softness: float = 0.0
) -> Optimiser:
    """Makes Lion, which steps by the sign of an average of gradients, with decoupled weight decay.

        c = b1 m + (1 - b1) g
        theta' = theta - lr (sign(c) + weight_decay theta)
        m' = b2 m + (1 - b2) g

    A sign has the derivative 0, so that no gradient of phi comes through a step of Lion: it can train a learned loss,
    or a model whose loss is fixed, but a loss is not learned through a model's steps of it (`lfl.ZeroGradientWarning`
    says so) unless `softness` is positive.

    Args:
        lr: learning rate, per step; a float or a scalar tensor.
        betas: b1 and b2.
        weight_decay: strength of the decay.
        softness: in units of the gradient. Above 0, sign(c) becomes `c / sqrt(c^2 + softness^2)`, which is nearly the
            sign where c is larger, and has a derivative.

    Returns:
        An `Optimiser`.

    Raises:
        UserError: a negative or non-finite setting, or a beta of 1 or more.

    Example:
        >>> init, update = lion(0.1)
        >>> theta = {"w": torch.tensor([1.0, 1.0])}
        >>> update({"w": torch.tensor([3.0, -0.5])}, init(theta), theta)[0]
        {'w': tensor([0.9000, 1.1000])}

    Source: Chen et al. (2023), Symbolic Discovery of Optimization Algorithms, Algorithm 2.
    """
    b1, b2 = betas
    check(lr=lr, weight_decay=weight_decay, softness=softness)
    check(**{"betas[0]": b1, "betas[1]": b2})
    if max(b1, b2) >= 1.0:
        raise UserError(f"betas must be below 1, got {betas}; (0.9, 0.99) is usual.")
    default_lr = lr

    def init(theta: Tree) -> Tree:
        return map_tree(torch.zeros_like, theta)

    def direction(c: torch.Tensor) -> torch.Tensor:
        return c / (c * c + softness**2).sqrt() if softness else c.sign()

    def update(grads: Tree, state: Tree, theta: Tree, lr: Rate | None = None) -> tuple[Tree, Tree]:
        rate = default_lr if lr is None else lr

        def step(rate: Rate, p: torch.Tensor, m: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
            return p * (1.0 - rate * weight_decay) - rate * direction(b1 * m + (1.0 - b1) * g)

        theta = map_rates(step, rate, theta, state, grads)
        return theta, map_tree(lambda m, g: b2 * m + (1.0 - b2) * g, state, grads)

    return Optimiser(init, with_rate(update, default_lr))
