"""Adam and AdamW as pure functions."""

import math
from typing import NamedTuple

import torch

from ..trees import leaves, map_tree
from ..types import Rate, Tree
from .optimiser import Optimiser, check, with_rate
from .rates import map_rates
from .roots import safe_sqrt


class AdamState(NamedTuple):
    """The state of Adam.

    Args:
        num_updates: updates made so far, an int64 scalar.
        mean, square: running means of the gradient and of its square, like theta.
    """

    num_updates: torch.Tensor
    mean: Tree
    square: Tree


def adam(
    lr: Rate,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    eps_root: float = 0.0,
    weight_decay: float = 0.0,
) -> Optimiser:
    """Makes Adam; weight decay is an L2 penalty, added to the gradient.

        m' = b1 m + (1 - b1) g          v' = b2 v + (1 - b2) g^2
        theta' = theta - lr m'/(1 - b1^t) / (sqrt(v'/(1 - b2^t) + eps_root) + eps)

    Args:
        lr: learning rate, per step; a float or a scalar tensor.
        betas: b1 and b2, the share of each running mean that an update keeps.
        eps: added to the root.
        eps_root: added under the root; 0 equals `torch.optim`.
        weight_decay: strength of the penalty.

    Returns:
        An `Optimiser`; equal to `torch.optim.Adam` to rounding. Where the running square is 0, its derivative uses 0
        for the derivative of the root, instead of infinity.

    Raises:
        UserError: a negative or non-finite setting, or a beta of 1 or more.

    Example:
        >>> init, update = adam(0.1)
        >>> theta = {"w": torch.tensor([1.0])}
        >>> update({"w": torch.tensor([3.0])}, init(theta), theta)[0]
        {'w': tensor([0.9000])}

    Source: Kingma and Ba (2015), Algorithm 1.
    """
    return _adam(lr, betas, eps, eps_root, penalty=weight_decay, decay=0.0)


def adamw(
    lr: Rate,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    eps_root: float = 0.0,
    weight_decay: float = 0.01,
) -> Optimiser:
    """Makes Adam with decoupled weight decay: theta is first multiplied by `1 - lr weight_decay`.

    Args, Returns and Raises are those of `adam`; equal to `torch.optim.AdamW` to rounding.

    Example:
        >>> init, update = adamw(0.1, weight_decay=0.5)
        >>> theta = {"w": torch.tensor([1.0])}
        >>> update({"w": torch.tensor([3.0])}, init(theta), theta)[0]
        {'w': tensor([0.8500])}

    Source: Loshchilov and Hutter (2019), Algorithm 2.
    """
    return _adam(lr, betas, eps, eps_root, penalty=0.0, decay=weight_decay)


def _adam(
    default_lr: Rate, betas: tuple[float, float], eps: float, eps_root: float, *, penalty: float, decay: float
) -> Optimiser:
    b1, b2 = betas
    check(lr=default_lr, eps=eps, eps_root=eps_root, weight_decay=penalty or decay)
    for name, beta in (("betas[0]", b1), ("betas[1]", b2)):
        check(**{name: beta if beta < 1.0 else float("inf")})

    def init(theta: Tree) -> AdamState:
        device = leaves(theta)[0].device
        mean, square = (map_tree(torch.zeros_like, theta) for _ in range(2))  # shared ones would compile twice
        return AdamState(torch.zeros((), dtype=torch.int64, device=device), mean, square)

    def update(grads: Tree, state: AdamState, theta: Tree, lr: Rate | None = None) -> tuple[Tree, AdamState]:
        rate = default_lr if lr is None else lr
        num_updates = state.num_updates + 1
        if penalty:
            grads = map_tree(lambda g, p: g + penalty * p, grads, theta)
        mean = map_tree(lambda m, g: b1 * m + (1.0 - b1) * g, state.mean, grads)
        square = map_tree(lambda v, g: b2 * v + (1.0 - b2) * g * g, state.square, grads)

        def step(rate: Rate, p: torch.Tensor, m: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            root = safe_sqrt(v / _bias_correction(b2, num_updates, v) + eps_root)
            return p * (1.0 - rate * decay) - rate * (m / _bias_correction(b1, num_updates, m)) / (root + eps)

        return map_rates(step, rate, theta, mean, square), AdamState(num_updates, mean, square)

    return Optimiser(init, with_rate(update, default_lr))


def _bias_correction(beta: float, num_updates: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """1 - beta^num_updates, without the cancellation that float32 suffers where beta is near 1."""
    if beta == 0.0:
        return torch.ones_like(num_updates, dtype=like.dtype)
    return -torch.expm1(num_updates.to(like.dtype) * math.log(beta))
