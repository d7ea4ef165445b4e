"""An ordinary step: theta descends a loss that stays as it is."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from contextlib import nullcontext

import torch

from ..hypergradient import forward, gradient
from ..optimiser import Optimiser
from ..optimiser.optimiser import Rate
from ..trees import norm
from ..types import ApplyFn, Batch, TaskLoss, Tensors
from .carry import Carry, Info, fresh_carry
from .guard import copies, in_transform, no_writes


def base_step(
    theta: Tensors,
    batch: Batch,
    carry: Carry | None = None,
    *,
    apply_fn: ApplyFn,
    loss: TaskLoss,
    task_loss: TaskLoss,
    inner: Optimiser,
    inner_lr: Rate | None = None,
) -> tuple[Tensors, Carry, Info]:
    """One gradient step on a fixed loss.

        theta' = theta - alpha grad_theta loss(y, f_theta(x))

    Args:
        theta: parameters of the model by name.
        batch: train batch `(x, y)` or `(x, y, masks)`.
        carry: from the step before; fresh when omitted.
        apply_fn, inner, inner_lr: as in `lfl.meta_step`.
        loss: what is descended, `loss(outputs, targets) -> [batch]`: the task's own, or
            `functools.partial(loss_fn, phi)` for a learned loss that stays fixed.
        task_loss: what is reported beside it, on the same outputs.

    Returns:
        `theta`, `carry` and `info` after the step.

    Raises:
        UserError: the model or the optimiser writes to theta or to the batch in place.

    Example:
        >>> import torch, lfl
        >>> theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 1))
        >>> theta, carry, info = lfl.base_step(
        ...     theta, (torch.ones(4, 3), torch.zeros(4, 1)), apply_fn=apply_fn,
        ...     loss=lfl.squared_error, task_loss=lfl.squared_error, inner=lfl.sgd(0.1))
        >>> bool(info.inner_loss == info.outer_loss)
        True
    """
    eager = not in_transform()
    if carry is None:
        carry = fresh_carry(theta, None, apply_fn=apply_fn, inner=inner)
        if eager:  # where a write is refused, the caller's tensors are as they were
            theta, batch = copies((theta, batch))

    def objective(theta: Tensors) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, Tensors]]:
        outputs, buffers = forward(apply_fn, theta, carry.buffers, batch)
        value = loss(outputs, batch[1]).mean()
        return value, (value, task_loss(outputs, batch[1]).mean(), buffers)

    with no_writes(theta, [batch]) if eager else nullcontext():
        grads, (value, reported, buffers) = gradient(objective, theta)
        new_theta, slots = inner.update(grads, carry.inner, theta, inner_lr)
    info = Info(value, reported, norm(grads), torch.zeros_like(value))
    return new_theta, Carry(slots, carry.outer, buffers), info
