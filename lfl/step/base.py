"""An ordinary training step: theta descends a loss that does not change."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from contextlib import nullcontext
from typing import Any

import torch

from ..errors import UserError
from ..hypergradient.averages import changes, moved
from ..hypergradient.bilevel import forward, gradient, mean_loss
from ..optimiser import Optimiser
from ..optimiser.optimiser import apply_update, as_optimiser
from ..trees import norm
from ..types import ApplyFn, Batch, Group, Rate, TaskLoss, Tensors
from .batches import as_batch
from .carry import NO_PARAMETER, Carry, Info, fresh_carry
from .guard import copies, in_transform, no_writes
from .ranks import parts, ranks_of, refuse_in_programs


def base_step(
    theta: Tensors,
    batch: Batch | list[Any],
    carry: Carry | None = None,
    *,
    apply_fn: ApplyFn,
    loss: TaskLoss,
    task_loss: TaskLoss,
    inner: Optimiser,
    inner_lr: Rate | None = None,
    group: Group | None = None,
) -> tuple[Tensors, Carry, Info]:
    """Takes one gradient step of theta on a fixed loss.

        theta' = theta - alpha grad_theta loss(y, f_theta(x))

    Args:
        theta: parameters of the model by name.
        batch: train batch in a form that `lfl.meta_step` takes: `(x, y)`, `(x, y, masks)`, `(x, y, seed)`, or the
            `[x, y]` of a `DataLoader`.
        carry: from the step before; fresh when omitted.
        apply_fn, inner, inner_lr, group: as in `lfl.meta_step`.
        loss: the loss to descend, `loss(outputs, targets) -> [batch]`: the task's own, or
            `functools.partial(loss_fn, phi)` for a learned loss with a fixed phi.
        task_loss: a second loss that is reported in `info.outer_loss`, on the same outputs.

    Returns:
        `theta`, `carry` and `info` after the step.

    Raises:
        UserError: a batch in another form, no optimiser, no trainable parameter; theta or the batch is written to in
            place; and whatever the model and losses raise.

    Example:
        >>> import torch, lfl
        >>> theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 1))
        >>> theta, carry, info = lfl.base_step(
        ...     theta, (torch.ones(4, 3), torch.zeros(4, 1)), apply_fn=apply_fn,
        ...     loss=lfl.squared_error, task_loss=lfl.squared_error, inner=lfl.sgd(0.1))
        >>> bool(info.inner_loss == info.outer_loss)
        True
    """
    given = as_batch("batch", batch)
    inner = as_optimiser("inner", inner, inner_lr)
    if not theta:
        raise UserError(NO_PARAMETER)
    eager, ranks = not in_transform(), ranks_of(group)
    if ranks is not None:
        refuse_in_programs(not eager)
        if carry is None:
            ranks.check_equal(theta=theta)
        apply_fn = ranks.model(apply_fn)
        given = parts(ranks, [given], None, check=carry is None)[0][0]
    if carry is None:
        carry = fresh_carry(theta, None, apply_fn=apply_fn, inner=inner)
        if eager:  # where a write is refused, the caller's tensors are as they were
            theta, given = copies((theta, given))

    def objective(theta: Tensors) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, Tensors]]:
        outputs, buffers = forward(apply_fn, theta, carry.buffers, given)
        value = mean_loss(loss, outputs, given[1])
        return value, (value, mean_loss(task_loss, outputs, given[1]), buffers)

    with no_writes(theta, [given]) if eager else nullcontext():
        if ranks is None:
            grads, (value, reported, buffers) = gradient(objective, theta)
        else:
            grads, (_, _, buffers), (value, reported, changed) = ranks.averaged_gradient(
                objective, theta, lambda aux: (*aux[:2], changes(apply_fn, carry.buffers, aux[2]))
            )
            buffers = moved(carry.buffers, buffers, changed)
        new_theta, state = apply_update(inner, grads, carry.inner, theta, inner_lr)
    info = Info(value, reported, norm(grads), torch.zeros_like(value))
    return new_theta, Carry(state, carry.outer, buffers), info
