"""What the online and the offline step share: K steps of theta, then one of phi through them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import UserError
from ..hypergradient import Bilevel, Hypergradient, resolve
from ..hypergradient.constants import HOOKS_REFUSED
from ..hypergradient.inner import not_a_slot
from ..model.custom_gradients import NONE
from ..optimiser import Optimiser
from ..optimiser.optimiser import Rate, apply_update, as_optimiser
from ..trees import hide_constants, leaves, norm, show_constants
from ..types import ApplyFn, Batch, LossFn, TaskLoss, Tensors
from .batches import first_examples
from .carry import NO_PARAMETER, Carry, Info, fresh_carry
from .guard import copies, first_that_works, in_transform, no_random_draws, no_writes
from .zero_gradient import warn_of_zero_gradient


def lookahead_step(
    theta: Tensors,
    phi: Any,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    carry: Carry | None,
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    outer: Optimiser,
    inner_lr: Rate | Callable[[Any], Rate] | None,
    outer_lr: Rate | None,
    hypergradient: str | Hypergradient,
    meta_batch_size: int | None = None,
) -> tuple[Tensors, Any, Carry, Info]:
    """Theta, phi, carry and info after one step of theta on each train batch, and one of phi.

    An eager step looks for hidden random draws and for writes to what it was given. Where the carry is fresh it works
    on copies, so that the caller's tensors are still as they were when the error is raised.
    """
    inner, outer = as_optimiser("inner", inner, inner_lr), as_optimiser("outer", outer, outer_lr)
    _need_tensors(theta, phi)
    if meta_batch_size is not None:
        batch_val = first_examples(batches_tr, batch_val, meta_batch_size)
    custom = getattr(apply_fn, "custom_gradients", NONE)
    if custom.hooks:
        raise UserError(HOOKS_REFUSED)
    forms = resolve(
        hypergradient,
        theta,
        num_steps=len(batches_tr),
        part=meta_batch_size,
        lowered=getattr(apply_fn, "autocast", None) is not None,
        custom=bool(custom.functions),
    )
    fresh, eager = carry is None, not in_transform()
    if carry is None:
        carry = fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)
        if eager:
            theta, batches_tr, batch_val = copies((theta, batches_tr, batch_val))
    hidden = not all(isinstance(leaf, torch.Tensor) for leaf in leaves(carry.inner))
    slots = hide_constants(carry.inner, not_a_slot) if hidden else carry.inner
    problem = Bilevel(apply_fn, loss_fn, task_loss, inner, inner_lr, hidden)
    computations = [partial(form, problem, theta, phi, batches_tr, batch_val, slots, carry.buffers) for form in forms]
    with sdpa_kernel(SDPBackend.MATH):  # no other attention has second derivatives
        if eager:
            with no_random_draws(), no_writes(theta, [*batches_tr, batch_val]):
                phi_grads, ahead = first_that_works(computations, apply_fn, theta, carry.buffers, batches_tr)
        else:
            phi_grads, ahead = computations[0]()
    phi, outer_state = apply_update(outer, phi_grads, carry.outer, phi, outer_lr)
    info = Info(ahead.inner_loss, ahead.outer_loss, ahead.theta_grad_norm, norm(phi_grads))
    if fresh and eager:
        warn_of_zero_gradient(info, stacklevel=3)
    slots = show_constants(ahead.inner) if hidden else ahead.inner
    return ahead.theta, phi, Carry(slots, outer_state, ahead.buffers), info


def _need_tensors(theta: Tensors, phi: Any) -> None:
    if not theta:
        raise UserError(NO_PARAMETER)
    if not leaves(phi) or not all(isinstance(leaf, torch.Tensor) for leaf in leaves(phi)):
        raise UserError("phi must be a pytree of at least one tensor, such as the first result of lfl.loss_network.")
