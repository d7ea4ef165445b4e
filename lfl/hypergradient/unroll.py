"""The hypergradient by `torch.func.grad` composed with itself: the reference that other forms must equal."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Sequence

import torch

from ..trees import norm
from ..types import Batch, Tensors, Tree
from .averages import average_pass, average_result
from .bilevel import Bilevel, InnerRun, base_pass, validation_loss


def unroll(
    problem: Bilevel,
    theta: Tensors,
    phi: Tree,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    inner_state: Tree,
    buffers: Tensors,
) -> tuple[Tree, InnerRun]:
    """Differentiates the validation loss with respect to phi through the inner steps.

        theta_k+1 = update(grad_theta M_phi(theta_k))        k = 0 .. K-1, one train batch each
        grad_phi L_T(theta_K(phi))

    Args:
        problem: model, losses and inner optimiser.
        theta: parameters before the first step.
        phi: parameters of the learned loss, of the inner rate, or of both; any pytree.
        batches_tr: K train batches, `(x, y)` or `(x, y, masks)`.
        batch_val: the validation batch.
        inner_state, buffers: the inner optimiser's state and the model's buffers before the first step.

    Returns:
        The gradient, a pytree like phi, and the `InnerRun`.

    Source: Raymond et al. (2025), eqs. 6 to 9.
    """

    def outer(phi: Tree) -> tuple[torch.Tensor, InnerRun]:
        theta_k, state_k, buffers_k = theta, inner_state, buffers
        for batch in batches_tr:
            base = average_pass(problem, base_pass(problem, theta_k, phi, buffers_k, batch), buffers_k)
            theta_k, state_k = problem.update(base.grads, state_k, theta_k, phi)
            buffers_k = base.buffers
        loss = validation_loss(problem, theta_k, buffers_k, batch_val)
        return loss, InnerRun(theta_k, state_k, buffers_k, base.loss, norm(base.grads), loss)

    phi_grads, run = torch.func.grad(outer, has_aux=True)(phi)
    return average_result(problem, phi_grads, run)
