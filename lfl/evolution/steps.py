"""The model's part of a step, apart from the loss: it knows a loss by its slopes alone, so one program serves all."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import torch

from ..hypergradient.bilevel import forward, gradient, mean_loss
from ..hypergradient.directional import forward_mode
from ..optimiser import Optimiser
from ..optimiser.optimiser import apply_update
from ..types import ApplyFn, Batch, TaskLoss, Tensors, Tree


def search_direction(
    apply_fn: ApplyFn,
    inner: Optimiser,
    task_loss: TaskLoss,
    theta: Tensors,
    buffers: Tensors,
    train: Batch,
    valid: Batch,
    slopes: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The model's part of a step of local search with one inner step.

        theta' = update(J^T s)             s = d M_phi / d outputs, J the model's Jacobian at theta
        v      = grad L_T(f_theta'(x))     on the batch `valid`
        u      = J (d update / d g)^T v    so that dL_T / dphi = grad_phi < s(phi), u >

    Args:
        apply_fn, inner, task_loss: the model, its optimiser, starting afresh, and the task loss.
        theta, buffers: of a fresh model.
        train, valid: batches.
        slopes: s, like the outputs on `train`.

    Returns:
        u, like the outputs, and the task loss after the step.

    Source: as `lfl.mixed`, of which it is the part for one step.
    """

    def outputs_of(theta: Tensors) -> torch.Tensor:
        return outputs_on_batch(apply_fn, theta, buffers, train)

    def update(grads: Tensors) -> Tensors:
        return apply_update(inner, grads, inner.init(theta), theta, None)[0]  # type: ignore[no-any-return]

    def loss_after(theta: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        value = mean_loss(task_loss, outputs_on_batch(apply_fn, theta, buffers, valid), valid[1])
        return value, value

    (grads,) = torch.func.vjp(outputs_of, theta)[1](slopes)
    after, pull = torch.func.vjp(update, grads)[:2]
    v, value = gradient(loss_after, after)
    (w,) = pull(v)
    return forward_mode(outputs_of, None, theta, w)[1], value


def outputs_on_batch(apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, batch: Batch) -> torch.Tensor:
    """The outputs in training mode."""
    outputs: torch.Tensor = forward(apply_fn, theta, buffers, batch)[0]
    return outputs


def training_step(
    apply_fn: ApplyFn,
    inner: Optimiser,
    theta: Tensors,
    buffers: Tensors,
    state: Tree,
    batch: Batch,
    slopes: torch.Tensor,
) -> tuple[Tensors, Tensors, Tree]:
    """Theta, buffers and the optimiser's state after an ordinary step on a loss with these slopes."""

    def outputs_of(theta: Tensors) -> tuple[torch.Tensor, Tensors]:
        outputs, after = forward(apply_fn, theta, buffers, batch)
        return outputs, after

    _, pull, buffers = torch.func.vjp(outputs_of, theta, has_aux=True)  # type: ignore[misc]
    (grads,) = pull(slopes)
    theta, state = apply_update(inner, grads, state, theta, None)
    return theta, buffers, state
