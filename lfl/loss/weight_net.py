"""Meta-Weight-Net: a learned weight of each example, as a function of its hand-made loss."""

from functools import partial

import torch
import torch.nn.functional as F

from ..errors import UserError
from ..types import Kind, TaskLoss, Tensors
from .base import base_loss, kind_of_rows
from .learned_loss import ExampleLoss
from .network import INITIALISERS

WIDTH = 100


def weight_net(
    kind: Kind,
    *,
    base: str | TaskLoss | None = None,
    width: int = WIDTH,
    scale: float = 2.0,
    gain: float = 0.1,
    num_outputs: int | None = None,
    generator: torch.Generator,
) -> tuple[Tensors, ExampleLoss]:
    """Draws a learned weight of each example.

        M_phi(y, f) = w_phi(l) l,    w_phi(l) = scale sigmoid(b_2 + W_2 relu(b_1 + W_1 l)),    l = L(y, f) the base

    The weight is a constant to the model, as in the published code: theta's gradient is `w_phi(l) grad l`. The
    hypergradient through one step of theta is exact. Through K > 1 steps it leaves out how weights change with theta,
    and `"finite-difference"` refuses.

    As published, `scale` is 1 and weights and biases are drawn as `torch.nn.Linear` draws them (`gain` 1): the first
    weight is about sigmoid(0) = 1/2 (0.50 +- 0.08 over draws for a loss of 1). By default it is about 1: from 0.85 to
    1.15 for losses up to 3, and the first gradient is the base's to some 4 %.

    Args:
        kind, base, num_outputs, generator: as in `residual_loss`.
        width: units of the hidden layer.
        scale: the largest weight.
        gain: factor on the drawn weights and bias of the last layer.

    Returns:
        `phi`, tensors by name; `loss_fn(phi, outputs, targets) -> [batch]`.

    Raises:
        UserError: an unknown name, or a width below one.

    Example:
        >>> phi, loss_fn = weight_net("regression", generator=torch.Generator().manual_seed(0))
        >>> loss_fn(phi, torch.tensor([3.0]), torch.tensor([1.0])).round()
        tensor([2.])

    Source: Shu et al. (2019), eqs. 2 to 5 and section 3.1.
    """
    rows = kind_of_rows(kind)
    own = base_loss(rows, base, num_outputs=2 if rows != kind else num_outputs)
    if width < 1:
        raise UserError(f"a weight network needs a width of at least 1, got {width}.")
    sizes = {"0": (width, 1), "1": (1, width)}
    phi: Tensors = {}
    for (name, (fan_out, fan_in)), factor in zip(sizes.items(), (1.0, gain), strict=True):
        drawn = INITIALISERS["linear"](torch.empty(fan_out, fan_in, device=generator.device), generator=generator)
        most = fan_in**-0.5
        bias = torch.empty(fan_out, device=generator.device).uniform_(-most, most, generator=generator)
        phi |= {f"{name}.weight": factor * drawn, f"{name}.bias": factor * bias}
    return phi, ExampleLoss(partial(_weighted, own, scale), kind)


def example_weight(phi: Tensors, losses: torch.Tensor) -> torch.Tensor:
    """sigmoid(b_2 + W_2 relu(b_1 + W_1 l)) of losses l of any shape."""
    hidden = F.relu(F.linear(losses[..., None], phi["0.weight"], phi["0.bias"]))
    return torch.sigmoid(F.linear(hidden, phi["1.weight"], phi["1.bias"]))[..., 0]


def _weighted(base: TaskLoss, scale: float, phi: Tensors, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    losses = base(outputs, targets)
    return scale * example_weight(phi, losses.detach()) * losses
