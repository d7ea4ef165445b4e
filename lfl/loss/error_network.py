"""A small network of the error of one output, for real values."""

from functools import partial

import torch

from ..types import Tensors
from .lift import LearnedLoss
from .network import INITIALISERS, draw_layers, through_layers

UNIT = 0.2
"""What errors are divided by: targets that lie between 0 and 1 are missed by about so much, where they are outliers."""


def error_network(
    *, width: int = 40, depth: int = 2, gain: float = 0.1, generator: torch.Generator
) -> tuple[Tensors, LearnedLoss]:
    """Draw a network of the error, the same for every output and wherever the target lies.

        C_phi((f - y) / 0.2)        tanh units with biases, and an output without: a constant has no gradient

    Its slope stays bounded where the error grows, so that what it learns about small errors does not grow without
    limit among large ones.

    Args:
        width, depth, gain, generator: as in `lfl.loss_network`.

    Returns:
        `phi`, weights and biases by name; `loss_fn(phi, outputs, targets) -> [batch]`, a mean over the outputs.

    Source: ours; the measurements are in `docs/value.md`.
    """
    draw = INITIALISERS["xavier_uniform"]
    phi = draw_layers([1, *[width] * depth, 1], draw, gain=gain, bias=True, generator=generator)
    del phi[f"{depth}.bias"]
    return phi, LearnedLoss(partial(_of_error, depth=depth), "regression")


def _of_error(phi: Tensors, target: torch.Tensor, output: torch.Tensor, *, depth: int) -> torch.Tensor:
    return through_layers(phi, ((output - target) / UNIT)[..., None], depth=depth, hidden=torch.tanh)
