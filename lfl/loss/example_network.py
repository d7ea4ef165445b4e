"""A correction that sees an example as a whole: how likely its label is, and how sure the model is of another class."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ..types import Tensors
from .network import INITIALISERS, draw_layers, through_layers

NUM_SEEN = 4
COST = "cost"
"""The entry of phi that is the matrix."""


LEAST_LOG = -15.0
"""Log-probabilities below are taken for this one: a label that unlikely is as unlikely as can be."""

UNIT_LOG = 5.0
"""What log-probabilities are divided by, so that they are about as large as probabilities."""


def example_network(
    *,
    classes: int | None = None,
    width: int = 40,
    depth: int = 2,
    gain: float = 0.1,
    generator: torch.Generator,
) -> tuple[Tensors, Callable[[Tensors, torch.Tensor, torch.Tensor], torch.Tensor]]:
    """Draw a network of four numbers of an example, and a cost of each class for each label.

        g_phi(p_t, max_{i != t} p_i, sum_i p_i^2, log p_t / 5) + sum_i T_ti p_i        p = softmax(f), t the label

    A function of one output at a time cannot tell an example that the model is sure of, against its label, from one
    that it knows nothing about: in both the label is unlikely. The second and third number tell them apart, and let the
    loss learn to pull towards the class that the model is sure of. The network, evaluated once an example, knows no
    class by name; the matrix T does: what is often called t and is i has a T_ti below 0. It starts at 0.

    Args:
        classes: of the matrix; None for none, and for any number of classes.
        width, depth, gain, generator: as in `lfl.loss_network`.

    Returns:
        `phi`, weights by name, and `cost` `[classes, classes]`; `correction(phi, logits, ids) -> [batch]` of logits
        `[batch, classes]` and class ids.

    Source: ours; the measurements are in `docs/value.md`.
    """
    draw = INITIALISERS["xavier_uniform"]
    phi = draw_layers([NUM_SEEN, *[width] * depth, 1], draw, gain=gain, generator=generator)
    if classes is not None:
        phi[COST] = torch.zeros(classes, classes, device=generator.device)

    def correction(phi: Tensors, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        log_p = F.log_softmax(logits, -1)
        p = log_p.exp()
        true = ids[:, None] == torch.arange(logits.shape[1], device=ids.device)
        log_true = torch.where(true, log_p, 0.0).sum(-1).clamp(min=LEAST_LOG)
        seen = (
            torch.where(true, p, 0.0).sum(-1),
            torch.where(true, 0.0, p).amax(-1),
            p.square().sum(-1),
            log_true / UNIT_LOG,
        )
        change = through_layers(phi, torch.stack(seen, -1), depth=depth)
        return change if classes is None else change + (phi[COST].index_select(0, ids) * p).sum(-1)

    return phi, correction
