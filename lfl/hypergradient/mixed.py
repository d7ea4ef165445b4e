"""The exact hypergradient without differentiating twice through the model: forward mode over reverse mode."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..optimiser import Optimiser
from ..optimiser.optimiser import Rate
from ..trees import map_tree
from ..types import ApplyFn, Batch, LossFn, TaskLoss, Tensors
from .unroll import Lookahead, base_gradient, forward


def mixed(
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
    """The gradient of `unroll`, backwards over stored parameters.

    phi reaches theta_k+1 only through g_k = grad_theta M_phi, and g_k only through dM_phi/d(out). So with v the
    adjoint of theta_k+1, from the last step to the first:

        w      = (d update / d g_k)^T v                          one vjp of the optimiser
        u      = J_f(theta_k; x) w                               one jvp of the model
        L_phi += grad_phi < dM_phi/d(out), u >                   through the loss alone
        v     := (d update / d theta_k)^T v + H_k w              one jvp of the gradient, where a step lies before

    Memory: the parameters and slots of K steps, and the activations of one.

    Args, Returns and Source are those of `unroll`, and so is the value, to rounding. The running statistics that a
    base pass leaves are taken as constants in the passes after it, which in training mode do not use them.
    """
    trajectory = []
    theta_k, state_k, buffers_k = theta, inner_state, buffers
    for batch in batches_tr:
        grads, inner_loss, new_buffers = base_gradient(apply_fn, loss_fn, theta_k, phi, buffers_k, batch)
        trajectory.append((theta_k, state_k, buffers_k, grads, batch))
        theta_k, state_k = inner.update(grads, state_k, theta_k, inner_lr)
        buffers_k = new_buffers

    def validation_loss(theta: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        outputs, _ = forward(apply_fn, theta, buffers_k, batch_val)
        loss = task_loss(outputs, batch_val[1]).mean()
        return loss, loss

    theta_bar, outer_loss = torch.func.grad(validation_loss, has_aux=True)(theta_k)
    lookahead = Lookahead(theta_k, state_k, buffers_k, inner_loss, grads, outer_loss)
    slots_bar = [torch.zeros_like(slot) for slot in _slots(state_k)[0]]
    phi_grads = None
    for first, (theta_k, state_k, buffers_k, grads, batch) in _last_to_first(trajectory):
        w, slots_bar, theta_bar = _pull_back(inner, inner_lr, grads, state_k, theta_k, theta_bar, slots_bar)

        def outputs_of(theta: Tensors) -> torch.Tensor:
            return forward(apply_fn, theta, buffers_k, batch)[0]  # noqa: B023

        def gradient_of(theta: Tensors) -> tuple[Tensors, torch.Tensor]:
            def loss(theta: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
                outputs = outputs_of(theta)
                return loss_fn(phi, outputs, batch[1]).mean(), outputs  # noqa: B023

            grads, outputs = torch.func.grad(loss, has_aux=True)(theta)
            return grads, outputs

        if first:
            outputs, u = _jvp(outputs_of, theta_k, w)
        else:
            (_, outputs), (curvature, u) = _jvp(gradient_of, theta_k, w)
            theta_bar = map_tree(torch.add, theta_bar, curvature)
        through_loss = _through_loss(loss_fn, phi, outputs, batch[1], u)
        phi_grads = through_loss if phi_grads is None else map_tree(torch.add, phi_grads, through_loss)
    return phi_grads, lookahead


def _through_loss(loss_fn: LossFn, phi: Any, outputs: torch.Tensor, targets: torch.Tensor, u: torch.Tensor) -> Any:
    """grad_phi < dM_phi/d(out), u >."""

    def directional(phi: Any) -> torch.Tensor:
        slope: torch.Tensor = torch.func.grad(lambda outputs: loss_fn(phi, outputs, targets).mean())(outputs)
        return torch.sum(slope * u)

    return torch.func.grad(directional)(phi)


def _pull_back(
    inner: Optimiser,
    inner_lr: Rate | None,
    grads: Tensors,
    state: Any,
    theta: Tensors,
    theta_bar: Tensors,
    slots_bar: list[torch.Tensor],
) -> tuple[Tensors, list[torch.Tensor], Tensors]:
    """Adjoints of the gradient, the slots and theta before an update, from those after it."""
    slots, rebuild = _slots(state)

    def update(grads: Tensors, slots: list[torch.Tensor], theta: Tensors) -> tuple[Tensors, list[torch.Tensor]]:
        theta, state = inner.update(grads, rebuild(slots), theta, inner_lr)
        return theta, _slots(state)[0]

    pull: Any = torch.func.vjp(update, grads, slots, theta)[1]
    grads_bar, slots_bar, theta_bar = pull((theta_bar, slots_bar))
    return grads_bar, slots_bar, theta_bar


def _jvp(function: Callable[[Tensors], Any], theta: Tensors, direction: Tensors) -> tuple[Any, Any]:
    """Value, and derivative along `direction`."""
    value, tangent, *_ = torch.func.jvp(function, (theta,), (direction,))
    return value, tangent


def _slots(state: Any) -> tuple[list[torch.Tensor], Callable[[list[torch.Tensor]], Any]]:
    """The differentiable leaves of an optimiser's state, and the way back; counters are left as they are."""
    leaves, structure = tree_flatten(state)
    smooth = [leaf.is_floating_point() for leaf in leaves]

    def rebuild(slots: list[torch.Tensor]) -> Any:
        given = iter(slots)
        return tree_unflatten([next(given) if s else leaf for s, leaf in zip(smooth, leaves, strict=True)], structure)

    return [leaf for s, leaf in zip(smooth, leaves, strict=True) if s], rebuild


def _last_to_first(trajectory: list[Any]) -> list[tuple[bool, Any]]:
    return [(i == 0, step) for i, step in reversed(list(enumerate(trajectory)))]
