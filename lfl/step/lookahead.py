"""What the online and the offline step share: K steps of theta, then one of phi through them."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from ..errors import UserError
from ..hypergradient import Bilevel, Hypergradient, resolve
from ..optimiser import Optimiser
from ..optimiser.optimiser import Rate
from ..trees import map_tree, norm
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
    inner_lr: Rate | Callable[[Any], Rate] | None,
    outer_lr: Rate | None,
    hypergradient: str | Hypergradient,
    meta_batch_size: int | None = None,
) -> tuple[Tensors, Any, Carry, Info]:
    """Theta, phi, carry and info after one step of theta on each train batch, and one of phi.

    Hidden random draws are looked for where the carry is fresh: once a run.
    """
    if meta_batch_size is not None:
        if meta_batch_size < 1:
            raise UserError(f"meta_batch_size must be at least 1, but {meta_batch_size} came.")
        batch_val = map_tree(lambda t: t[:meta_batch_size], batch_val)
    lowered = getattr(apply_fn, "autocast", None) is not None
    form = resolve(hypergradient, theta, num_steps=len(batches_tr), part=meta_batch_size, lowered=lowered)
    problem = Bilevel(apply_fn, loss_fn, task_loss, inner, inner_lr)
    fresh = carry is None
    if carry is None:
        carry = fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)
    checks = (
        nullcontext()
        if in_transform()
        else guarded(apply_fn, theta, carry.buffers, batches_tr[0], watch_randomness=fresh)
    )
    with checks:
        phi_grads, ahead = form(problem, theta, phi, batches_tr, batch_val, carry.inner, carry.buffers)
    phi, outer_state = outer.update(phi_grads, carry.outer, phi, outer_lr)
    info = Info(ahead.inner_loss, ahead.outer_loss, ahead.theta_grad_norm, norm(phi_grads))
    return ahead.theta, phi, Carry(ahead.inner, outer_state, ahead.buffers), info
