"""Learned losses of one target and one output, by name: what a correction can be made of."""

from collections.abc import Callable
from functools import partial

from ..types import Tensors
from .lift import LearnedLoss
from .network import loss_network
from .taylor import taylor_loss

POINTWISE: dict[str, Callable[..., tuple[Tensors, LearnedLoss]]] = {
    "network": loss_network,
    "relu-softplus": partial(
        loss_network, activation="relu", output_activation="softplus", init="kaiming_normal", gain=1.0
    ),
    "taylor-quadratic": partial(taylor_loss, order=2),
    "taylor-cubic": partial(taylor_loss, order=3),
}
"""`draw(kind, generator=g) -> (phi, loss_fn)`."""
