"""The inner level: what a step of theta needs, and what it leaves for the gradient of phi."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..optimiser import Optimiser
from ..optimiser.optimiser import Linear, Rate
from ..types import ApplyFn, Batch, LossFn, TaskLoss, Tensors
from .gradient import gradient


class Bilevel(NamedTuple):
    """The functions of a two-level problem; `lfl.meta_step` describes them.

    Args:
        apply_fn: the model.
        loss_fn: the learned loss, descended by theta.
        task_loss: the task's own, descended by phi.
        inner: optimiser of theta.
        inner_lr: its rate: a number, a tensor, `inner_lr(phi)` where phi holds it, or None for its own.
    """

    apply_fn: ApplyFn
    loss_fn: LossFn
    task_loss: TaskLoss
    inner: Optimiser
    inner_lr: Rate | Callable[[Any], Rate] | None = None

    def update(self, grads: Tensors, state: Any, theta: Tensors, phi: Any) -> tuple[Tensors, Any]:
        """Theta and the slots after an update, at the rate that holds for phi."""
        rate = self.inner_lr(phi) if callable(self.inner_lr) else self.inner_lr
        return self.inner.update(grads, state, theta, rate)

    @property
    def updates_linearly(self) -> bool:
        """Whether the derivative of an update is the same at all gradients; where phi moves the rate it is not."""
        return isinstance(self.inner, Linear) and not callable(self.inner_lr)


class Lookahead(NamedTuple):
    """What the inner steps led to, for a fixed phi.

    Args:
        theta: parameters after the inner steps.
        inner: the inner optimiser's slots after them.
        buffers: buffers after the base passes (the validation pass leaves none behind).
        inner_loss: mean learned loss on the last train batch, before its step.
        theta_grad_norm: Euclidean norm of its gradient.
        outer_loss: mean task loss on the validation batch, after the steps.
    """

    theta: Tensors
    inner: Any
    buffers: Tensors
    inner_loss: torch.Tensor
    theta_grad_norm: torch.Tensor
    outer_loss: torch.Tensor


class BasePass(NamedTuple):
    """A pass over a train batch: gradient and value of the mean learned loss, the outputs, the buffers after it."""

    grads: Tensors
    loss: torch.Tensor
    outputs: torch.Tensor
    buffers: Tensors


def base_pass(problem: Bilevel, theta: Tensors, phi: Any, buffers: Tensors, batch: Batch) -> BasePass:
    """grad_theta of the mean learned loss on a train batch."""

    def learned_loss(theta: Tensors) -> tuple[torch.Tensor, Any]:
        outputs, new_buffers = forward(problem.apply_fn, theta, buffers, batch)
        loss = problem.loss_fn(phi, outputs, batch[1]).mean()
        return loss, (loss, outputs, new_buffers)

    grads, rest = gradient(learned_loss, theta)
    return BasePass(grads, *rest)


def validation_loss(problem: Bilevel, theta: Tensors, buffers: Tensors, batch: Batch) -> torch.Tensor:
    """Mean task loss on a validation batch, in training mode."""
    outputs, _ = forward(problem.apply_fn, theta, buffers, batch)
    return problem.task_loss(outputs, batch[1]).mean()


def forward(apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, batch: Batch) -> tuple[torch.Tensor, Tensors]:
    """Training-mode pass over a batch; a plain three-argument function serves where there are no masks."""
    if len(batch) > 2:
        return apply_fn(theta, buffers, batch[0], masks=batch[2])
    return apply_fn(theta, buffers, batch[0])
