"""Everything that a method needs to know about what it trains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..loss import LearnedLoss
from ..optimiser import Optimiser
from ..step import Carry
from ..types import ApplyFn, Batch, TaskLoss, Tensors


class State(NamedTuple):
    """What training changes: the model, the loss (None without one), and what their next step needs."""

    theta: Tensors
    phi: Any
    carry: Carry


@dataclass(frozen=True)
class Problem:
    """A model, its data and its losses, as functions of the step; nothing in it changes.

    Args:
        apply_fn: the model.
        theta_0: where training starts, the same for every method.
        redraw_theta: `redraw_theta(step)`, another start for each offline step.
        phi_0: where learning of the loss starts.
        loss_fn: the learned loss.
        task_loss: the task's own loss.
        inner: optimiser of theta.
        init_outer, outer: optimisers of phi, offline and online.
        batch: `batch(split, stream, step)`, a train or valid batch with its dropout masks.
        steps, init_steps, inner_steps: S_train, S_init and S_inner.
        init_objective: the data of the task loss in offline steps, `"train"` (the last train batch of the step)
            or `"valid"`.
    """

    apply_fn: ApplyFn
    theta_0: Tensors
    redraw_theta: Callable[[int], Tensors]
    phi_0: Tensors
    loss_fn: LearnedLoss
    task_loss: TaskLoss
    inner: Optimiser
    init_outer: Optimiser
    outer: Optimiser
    batch: Callable[[str, str, int], Batch]
    steps: int
    init_steps: int
    inner_steps: int
    init_objective: str
