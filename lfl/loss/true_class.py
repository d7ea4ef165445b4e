"""The true-class loss: a learned function of the true class's probability, and a learned share of the others' mean."""

from functools import partial

import torch
import torch.nn.functional as F

from ..errors import UserError
from ..types import Kind, TaskLoss, Tensors
from .base import base_loss, kind_of_rows
from .learned_loss import ExampleLoss, Pointwise
from .network import loss_network
from .residual import GAIN

SHARE = "share"


def true_class_loss(
    kind: Kind,
    *,
    base: str | TaskLoss | None = None,
    width: int = 40,
    gain: float = GAIN,
    num_outputs: int | None = None,
    generator: torch.Generator,
) -> tuple[Tensors, ExampleLoss]:
    """Draws a learned loss that evaluates one small network for each example, however many classes there are.

        M_phi(y, f) = L(y, f) + g_phi(p, log p) + s/(C-1) sum_{i != t} log p_i        p = p_t, t the true class

    L is the base, and g_phi a network of two numbers that starts near 0: the first gradient is that of the base to a
    thousandth, the first loss within 0.04 (1 - log p) of it, with a nearly constant difference. With the logarithm as
    an input the network can distinguish unlikely classes, and can cancel cross-entropy for labels that are hardly
    believed. The share s starts at 0; label smoothing by xi has s = -xi (C-1)/C.

    Args:
        kind: `"classification"`, or `"multilabel"`, where each label is an example with two classes.
        base, num_outputs, generator: as in `residual_loss`.
        width: units of each of the two hidden layers.
        gain: factor on the drawn weights of each layer.

    Returns:
        `phi`: the network's weights by name, and `share`; `loss_fn(phi, outputs, targets) -> [batch]`.

    Raises:
        UserError: the kind is regression, an unknown base, or a width below one.

    Example:
        >>> phi, loss_fn = true_class_loss("classification", generator=torch.Generator().manual_seed(0))
        >>> loss_fn(phi, torch.zeros(1, 1000), torch.tensor([2])).round()
        tensor([7.])
    """
    rows = kind_of_rows(kind)
    if rows != "classification":
        raise UserError(f"true-class is for classes, but the targets are for {kind}; choose another loss.")
    own = base_loss(rows, base, num_outputs=2 if rows != kind else num_outputs)
    phi, network = loss_network(rows, width=width, gain=gain, generator=generator)
    phi = phi | {SHARE: torch.zeros((), device=generator.device)}
    return phi, ExampleLoss(partial(_corrected, own, network.pointwise), kind)


def _corrected(
    base: TaskLoss, network: Pointwise, phi: Tensors, logits: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    log_p = F.log_softmax(logits, -1)
    true = log_p.gather(1, ids[:, None])[:, 0]
    others = (log_p.sum(-1) - true) / (logits.shape[1] - 1)
    return base(logits, ids) + network(phi, true.exp(), true) + phi[SHARE] * others
