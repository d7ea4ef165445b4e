"""The hypergradient by `torch.func.grad` composed with itself: the reference that other forms must equal."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ..optimiser import Optimiser
from ..optimiser.optimiser import Rate
from ..types import ApplyFn, Batch, LossFn, TaskLoss, Tensors


class Lookahead(NamedTuple):
    """What the inner steps led to, for a fixed phi.

    Args:
        theta: parameters after the inner steps.
        inner: the inner optimiser's slots after them.
        buffers: buffers after the base passes (the validation pass leaves none behind).
        inner_loss: mean learned loss on the last train batch, before its step.
        theta_grads: its gradient.
        outer_loss: mean task loss on the validation batch, after the steps.
    """

    theta: Tensors
    inner: Any
    buffers: Tensors
    inner_loss: torch.Tensor
    theta_grads: Tensors
    outer_loss: torch.Tensor


def unroll(
    theta: Tensors,
    phi: Any,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    inner_state: Any,
    buffers: Tensors,
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    inner_lr: Rate | None = None,
) -> tuple[Any, Lookahead]:
    """Differentiate the validation loss with respect to phi through the inner steps.

        theta_k+1 = update(grad_theta M_phi(theta_k))        k = 0 .. K-1, one train batch each
        grad_phi L_T(theta_K(phi))

    Args:
        theta: parameters before the first step.
        phi: parameters of the learned loss, any pytree.
        batches_tr: K train batches, `(x, y)` or `(x, y, masks)`.
        batch_val: the validation batch.
        inner_state, buffers: the inner optimiser's slots and the model's buffers before the first step.
        apply_fn, loss_fn, task_loss, inner, inner_lr: as in `lfl.meta_step`.

    Returns:
        The gradient, a pytree like phi, and the `Lookahead`.

    Source: Raymond et al. (2025), eqs. 6 to 9.
    """

    def validation_loss(phi: Any) -> tuple[torch.Tensor, Lookahead]:
        theta_k, state_k, buffers_k = theta, inner_state, buffers
        for batch in batches_tr:
            grads, inner_loss, buffers_k = base_gradient(apply_fn, loss_fn, theta_k, phi, buffers_k, batch)
            theta_k, state_k = inner.update(grads, state_k, theta_k, inner_lr)
        outputs, _ = forward(apply_fn, theta_k, buffers_k, batch_val)
        loss = task_loss(outputs, batch_val[1]).mean()
        return loss, Lookahead(theta_k, state_k, buffers_k, inner_loss, grads, loss)

    phi_grads, lookahead = torch.func.grad(validation_loss, has_aux=True)(phi)
    return phi_grads, lookahead


def base_gradient(
    apply_fn: ApplyFn, loss_fn: LossFn, theta: Tensors, phi: Any, buffers: Tensors, batch: Batch
) -> tuple[Tensors, torch.Tensor, Tensors]:
    """grad_theta of the mean learned loss on a train batch, the loss, and the buffers after the pass."""

    def learned_loss(theta: Tensors) -> tuple[torch.Tensor, Any]:
        outputs, new_buffers = forward(apply_fn, theta, buffers, batch)
        loss = loss_fn(phi, outputs, batch[1]).mean()
        return loss, (loss, new_buffers)

    grads, (loss, new_buffers) = torch.func.grad(learned_loss, has_aux=True)(theta)
    return grads, loss, new_buffers


def forward(apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, batch: Batch) -> tuple[torch.Tensor, Tensors]:
    """Training-mode pass over a batch; a plain three-argument function serves where there are no masks."""
    if len(batch) > 2:
        return apply_fn(theta, buffers, batch[0], masks=batch[2])
    return apply_fn(theta, buffers, batch[0])
