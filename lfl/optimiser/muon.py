"""Muon as pure functions, with AdamW for what is no matrix."""

import math
from typing import NamedTuple

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..errors import UserError, one_of
from ..types import Rate, Rates, Tree
from .adam import adamw
from .optimiser import Optimiser, check, with_rate
from .rates import each_rate
from .roots import safe_sqrt

ADJUSTMENTS = ("original", "match-rms-adamw")
"""How a matrix's rate depends on its shape."""


class MuonState(NamedTuple):
    """The state of Muon.

    Args:
        momentum: running means of the matrices' gradients, in their order in theta.
        others: AdamW's state for the other parameters; empty where there are none.
    """

    momentum: list[torch.Tensor]
    others: Tree


def muon(
    lr: Rate,
    *,
    momentum: float = 0.95,
    nesterov: bool = True,
    weight_decay: float = 0.1,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    ns_steps: int = 5,
    eps: float = 1e-7,
    adjust: str = "original",
    others_lr: float | None = None,
    dtype: torch.dtype | None = None,
) -> Optimiser:
    """Makes Muon, which steps a matrix along its orthogonalised momentum, with decoupled weight decay.

        m' = momentum m + (1 - momentum) g
        X = momentum m' + (1 - momentum) g  if nesterov else  m'         X := X / max(|X|, eps)
        ns_steps times:  X := a X + (b X X^T + c (X X^T)^2) X            (a, b, c) = ns_coefficients
        theta' = theta (1 - lr weight_decay) - lr s X                    s by `adjust`, from the shape

    Parameters of more than two dimensions (convolutions) are taken as matrices `[first, rest]`; those of fewer (biases,
    norms) take steps of `lfl.adamw`. Embeddings and a last layer, which Muon's author gives to AdamW too, are matrices
    here.

    Args:
        lr: learning rate of the matrices, per step; a float or a scalar tensor.
        momentum: share of the running mean that an update keeps.
        nesterov: use Nesterov's form of the momentum.
        weight_decay: strength of the decay, also AdamW's.
        ns_coefficients, ns_steps: of the Newton-Schulz iteration.
        eps: the least norm that a matrix is divided by.
        adjust: `"original"`, s = sqrt(max(1, rows / columns)); or `"match-rms-adamw"`, s = 0.2 sqrt of the larger one.
        others_lr: AdamW's rate; the same as `lr` when omitted. Where a step is given another rate than `lr`, AdamW's
            changes in proportion.
        dtype: precision of the iteration; the parameter's own when omitted. With `torch.bfloat16` it is
            `torch.optim.Muon`'s, and phi's gradient through it is as coarse.

    Returns:
        An `Optimiser`; on matrices equal to `torch.optim.Muon` but for its precision. Where a gradient is 0 the
        derivative of the norm is taken as 0.

    Raises:
        UserError: a negative or non-finite setting, a momentum of 1 or more, or an unknown `adjust`.

    Example:
        >>> init, update = muon(0.1, momentum=0.0, weight_decay=0.0)
        >>> theta = {"w": torch.zeros(2, 2)}
        >>> moved = update({"w": torch.tensor([[5.0, 0.0], [0.0, 0.0]])}, init(theta), theta)[0]["w"]
        >>> bool((-0.13 < moved[0, 0]) & (moved[0, 0] < -0.06))
        True

    Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """
    settings = {"momentum": momentum, "weight_decay": weight_decay, "eps": eps, "ns_steps": ns_steps}
    check(lr=lr, **settings, others_lr=lr if others_lr is None else others_lr)
    if momentum >= 1.0:
        raise UserError(f"momentum must be below 1, got {momentum}; 0.95 is usual.")
    one_of("adjust", adjust, list(ADJUSTMENTS))
    default_lr = lr
    rest = adamw(lr if others_lr is None else others_lr, weight_decay=weight_decay)

    def init(theta: Tree) -> MuonState:
        matrices, others = _parted(tree_flatten(theta)[0])
        return MuonState([torch.zeros_like(p) for p in matrices], rest.init(others) if others else {})

    def update(grads: Tree, state: MuonState, theta: Tree, lr: Rate | None = None) -> tuple[Tree, MuonState]:
        rate = default_lr if lr is None else lr
        flat, structure = tree_flatten(theta)
        (matrices, others), (slopes, other_slopes) = _parted(flat), _parted(tree_flatten(grads)[0])
        means = [torch.lerp(m, g, 1.0 - momentum) for m, g in zip(state.momentum, slopes, strict=True)]
        ahead = [torch.lerp(g, m, momentum) for m, g in zip(means, slopes, strict=True)] if nesterov else means

        def step(rate: Rate, p: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            direction = _orthogonalised(x.flatten(1), ns_coefficients, ns_steps, eps, dtype).view_as(p)
            return p * (1.0 - rate * weight_decay) - rate * _factor(adjust, x.flatten(1).shape) * direction.to(p.dtype)

        rates = each_rate(rate, theta)
        of_matrices = [r for r, p in zip(rates, flat, strict=True) if p.dim() >= 2]
        moved = [step(r, p, x) for r, p, x in zip(of_matrices, matrices, ahead, strict=True)]
        others_state = state.others
        if others:
            of_others = [r for r, p in zip(rates, flat, strict=True) if p.dim() < 2]
            scaled = of_others if others_lr is None else [others_lr * (r / default_lr) for r in of_others]
            slower: Rates | None = None if lr is None else scaled
            others, others_state = rest.update(other_slopes, others_state, others, slower)
        first, second = iter(moved), iter(others)
        after = [next(first) if p.dim() >= 2 else next(second) for p in flat]
        return tree_unflatten(after, structure), MuonState(means, others_state)

    return Optimiser(init, with_rate(update, default_lr))


def _parted(flat: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Returns the matrices, and the other parameters."""
    return [p for p in flat if p.dim() >= 2], [p for p in flat if p.dim() < 2]


def _factor(adjust: str, shape: torch.Size) -> float:
    rows, columns = shape
    return math.sqrt(max(1.0, rows / columns)) if adjust == "original" else 0.2 * math.sqrt(max(rows, columns))


def _orthogonalised(
    x: torch.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float, dtype: torch.dtype | None
) -> torch.Tensor:
    """U V^T of x = U S V^T, nearly: singular values from about 0.7 to 1.2."""
    a, b, c = coefficients
    x = x if dtype is None else x.to(dtype)
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    exact = torch.promote_types(x.dtype, torch.float32)
    x = x / safe_sqrt(x.to(exact).square().sum()).to(x.dtype).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
