"""What a run learns beside the model: a loss, the learning rate, both, or nothing."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..errors import one_of
from ..loss import HANDCRAFTED, REPRESENTATIONS, LearnedLoss
from ..method import METHODS
from ..randomness import generator
from ..task import Task
from ..types import LossFn, Tensors
from .settings import Settings

RATE = "inner_lr"
"""The entry of phi that is the learning rate."""


class Learned(NamedTuple):
    """What phi is, and what it does.

    Args:
        phi_0: where it starts; None where nothing is learned.
        loss_fn: what theta descends, `loss_fn(phi, outputs, targets) -> [batch]`.
        learned_loss: the same where it is learned, for pictures; else None.
        learned_rate: `learned_rate(phi)`, theta's rate; None where it is not learned.
    """

    phi_0: Tensors | None
    loss_fn: LossFn
    learned_loss: LearnedLoss | None
    learned_rate: Callable[[Any], torch.Tensor] | None


def learned(task: Task, settings: Settings, seed: int) -> Learned:
    """Draw what a method learns, for one seed.

    Raises:
        UserError: a loss that the method or the kind of target does not have.
    """
    method = METHODS[settings.method]
    phi: Tensors = {}
    learned_loss: LearnedLoss | None = None
    if method.learns_loss:
        one_of(f"--loss of {settings.method}", settings.loss, list(REPRESENTATIONS))
        phi, learned_loss = REPRESENTATIONS[settings.loss](task.kind, generator=generator(seed, "phi_0"))
    else:
        one_of(f"--loss of {settings.method} for {task.kind}", settings.loss, list(HANDCRAFTED[task.kind]))
    if method.learns_rate:
        phi = {**phi, RATE: torch.tensor(settings.inner_lr)}
    return Learned(
        phi_0=phi or None,
        loss_fn=learned_loss or _handcrafted(task, settings),
        learned_loss=learned_loss,
        learned_rate=rate_of if method.learns_rate else None,
    )


def rate_of(phi: Tensors) -> torch.Tensor:
    """The learning rate that phi holds."""
    return phi[RATE]


def _handcrafted(task: Task, settings: Settings) -> LossFn:
    loss = HANDCRAFTED[task.kind][settings.loss]

    def loss_fn(phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        del phi
        return loss(outputs, targets)

    return loss_fn
