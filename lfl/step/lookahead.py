"""What the online and the offline step share: K steps of theta, then one of phi through them."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from ..errors import one_of
from ..hypergradient import HYPERGRADIENTS
from ..optimiser import Optimiser
from ..optimiser.optimiser import Rate
from ..trees import norm
from ..types import ApplyFn, Batch, LossFn, TaskLoss, Tensors
from .carry import Carry, Info, fresh_carry
from .guard import guarded, in_transform


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
    inner_lr: Rate | None,
    outer_lr: Rate | None,
    hypergradient: str,
) -> tuple[Tensors, Any, Carry, Info]:
    """Theta, phi, carry and info after one step of theta on each train batch, and one of phi.

    Hidden random draws are looked for where the carry is fresh: once a run.
    """
    one_of("hypergradient", hypergradient, list(HYPERGRADIENTS))
    fresh = carry is None
    if carry is None:
        carry = fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)
    checks = (
        nullcontext()
        if in_transform()
        else guarded(apply_fn, theta, carry.buffers, batches_tr[0], watch_randomness=fresh)
    )
    with checks:
        phi_grads, ahead = HYPERGRADIENTS[hypergradient](
            theta,
            phi,
            batches_tr,
            batch_val,
            carry.inner,
            carry.buffers,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=task_loss,
            inner=inner,
            inner_lr=inner_lr,
        )
    phi, outer_state = outer.update(phi_grads, carry.outer, phi, outer_lr)
    info = Info(ahead.inner_loss, ahead.outer_loss, norm(ahead.theta_grads), norm(phi_grads))
    return ahead.theta, phi, Carry(ahead.inner, outer_state, ahead.buffers), info
