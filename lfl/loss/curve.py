"""A learned loss as curves, for pictures: the loss of one output against that output."""

from typing import Any

import torch

from .lift import LearnedLoss

NUM_POINTS = 101
REGRESSION_TARGET = 0.5
"""Regression curves are drawn about this target, the middle of the scaled targets' range [0, 1]."""


def axis(loss_fn: LearnedLoss) -> torch.Tensor:
    """Where a curve is sampled: the probability from 0 to 1, or the error f - y from -1 to 1."""
    low = 0.0 if loss_fn.kind == "classification" else -1.0
    return torch.linspace(low, 1.0, NUM_POINTS)


def sample_curves(loss_fn: LearnedLoss, phi: Any) -> torch.Tensor:
    """The learned loss on its axis.

    Args:
        loss_fn: the learned loss.
        phi: its parameters.

    Returns:
        Classification: `[2, points]`, for y = 1 and for y = 0 against the probability. Regression:
        `[1, points]`, against the error. On the CPU.
    """
    points = axis(loss_fn)
    targets, outputs = (
        (torch.tensor([1.0, 0.0]), points)
        if loss_fn.kind == "classification"
        else (torch.tensor([REGRESSION_TARGET]), REGRESSION_TARGET + points)
    )
    phi = {name: tensor.detach().cpu() for name, tensor in phi.items()}
    along = torch.func.vmap(loss_fn.pointwise, (None, None, 0))
    return torch.func.vmap(along, (None, 0, None))(phi, targets, outputs)
