"""Everything that a method needs to know about what it trains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..step import Carry
from ..types import Batch, Tensors
from .programs import Programs


class State(NamedTuple):
    """What training changes: the model, the loss (None without one), and what their next step needs."""

    theta: Tensors
    phi: Any
    carry: Carry


@dataclass(frozen=True)
class Problem:
    """A model, its data and its losses, as functions of the step; nothing in it changes.

    For many seeds each tensor has a leading dimension of seeds.

    Args:
        programs: the steps.
        theta_0: where training starts, the same for every method.
        init_theta: `init_theta(step)`, where an offline step starts; None where it goes on from the one before it.
        phi_0: where learning of the loss or the rate starts; None where neither is learned.
        batch: `batch(split, stream, step)`, a train or valid batch with its dropout masks.
        inner_rate: `inner_rate(step)`, the rate of theta, or the factor on the rate that phi holds; a scalar tensor.
        offline_lr: offline rate of phi, a scalar tensor.
        outer_rate: `outer_rate(step)`, its online rate; a scalar tensor.
        steps, offline_steps, inner_steps: S_train, S_init and S_inner.
        horizon: steps of theta that an online step of phi is differentiated through.
        meta_every: steps of theta for each online step of phi.
        offline_objective, meta_objective: the data of the task loss in offline and in online steps, `"train"` (the last
            train batch of the step) or `"valid"`.
    """

    programs: Programs
    theta_0: Tensors
    init_theta: Callable[[int], Tensors | None]
    phi_0: Tensors | None
    batch: Callable[[str, str, int], Batch]
    inner_rate: Callable[[int], torch.Tensor]
    offline_lr: torch.Tensor
    outer_rate: Callable[[int], torch.Tensor]
    steps: int
    offline_steps: int
    inner_steps: int
    horizon: int
    meta_every: int
    offline_objective: str
    meta_objective: str
