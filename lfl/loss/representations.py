"""What a learned loss can be made of, by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

from .lift import LearnedLoss
from .network import loss_network
from .taylor import taylor_loss

Representation = Callable[..., tuple[Any, LearnedLoss]]
"""`representation(kind, generator=g) -> (phi, loss_fn)`."""

REPRESENTATIONS: dict[str, Representation] = {
    "network": loss_network,
    "relu-softplus": partial(
        loss_network, activation="relu", output_activation="softplus", init="kaiming_normal", gain=1.0
    ),
    "taylor-quadratic": partial(taylor_loss, order=2),
    "taylor-cubic": partial(taylor_loss, order=3),
}
