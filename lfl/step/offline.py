"""One step of the offline initialisation: phi learns from a short run of theta that starts at theta_0."""

from collections.abc import Sequence
from typing import Any

from ..hypergradient import Hypergradient
from ..optimiser import Optimiser
from ..optimiser.optimiser import apply_update, as_optimiser
from ..types import ApplyFn, Batch, Group, LossFn, Rate, RateOfPhi, TaskLoss, Tensors, Tree
from .batches import as_batch, as_batches
from .carry import Carry, Info
from .meta import through_horizon


def offline_step(
    theta_0: Tensors,
    phi: Tree,
    batches_tr: Sequence[Any],
    batch_val: Batch | list[Any],
    outer_state: Tree = None,
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    outer: Optimiser,
    inner_lr: Rate | RateOfPhi | None = None,
    outer_lr: Rate | None = None,
    hypergradient: str | Hypergradient = "auto",
    group: Group | None = None,
) -> tuple[Tree, Tree, Info]:
    """Takes one step of phi in the offline initialisation (ML3's meta-training).

        theta_k+1 = theta_k - alpha grad_theta M_phi(theta_k)      k = 0 .. S_inner-1, one train batch each
        phi'      = phi     - eta   grad_phi   L_T(theta_S_inner(phi))

    Args:
        theta_0: where the inner steps start; the caller draws it anew for each step, or keeps it. (For offline steps
            that continue from one another use `lfl.meta_step`.)
        phi: parameters of the learned loss.
        batches_tr: S_inner train batches, each in a form that `lfl.meta_step` takes. A single batch, `(x, y)` or the
            `[x, y]` of a `DataLoader`, is one inner step.
        batch_val: the validation batch.
        outer_state: state of phi's optimiser from the step before; fresh when omitted.
        apply_fn, loss_fn, task_loss, inner, outer, inner_lr, outer_lr, hypergradient, group: as in `lfl.meta_step`.
            The state of theta's optimiser and the model's buffers start fresh at each call.

    Returns:
        `phi`, `outer_state` and `info`; the theta after the inner steps is discarded.

    Raises:
        UserError: there is no train batch, or as `lfl.meta_step`.

    Warns:
        ZeroGradientWarning: at an eager step without `outer_state`, where the gradient of phi is exactly 0.

    Example:
        >>> import torch, lfl
        >>> g = torch.Generator().manual_seed(0)
        >>> theta_0, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 1))
        >>> phi, loss_fn = lfl.loss_network("regression", generator=g)
        >>> batch = torch.randn(8, 3, generator=g), torch.randn(8, 1, generator=g)
        >>> phi, outer_state, info = lfl.offline_step(
        ...     theta_0, phi, [batch, batch], batch, apply_fn=apply_fn, loss_fn=loss_fn,
        ...     task_loss=lfl.squared_error, inner=lfl.sgd(0.001), outer=lfl.adam(1e-3))
        >>> int(outer_state.num_updates)
        1

    Source: Raymond et al. (2025), Algorithm 1; Bechtle et al. (2021).
    """
    batches = as_batches("batches_tr", list(batches_tr) if isinstance(batches_tr, tuple) else batches_tr)
    valid = as_batch("batch_val", batch_val)
    inner, outer = as_optimiser("inner", inner, inner_lr), as_optimiser("outer", outer, outer_lr)
    carry = None
    if outer_state is not None:
        carry = Carry(inner.init(theta_0), outer_state, dict(getattr(apply_fn, "buffers", {})))
    grads, _, info = through_horizon(
        theta_0,
        phi,
        batches,
        valid,
        carry,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=task_loss,
        inner=inner,
        inner_lr=inner_lr,
        hypergradient=hypergradient,
        group=group,
    )
    outer_state = outer.init(phi) if carry is None else carry.outer
    phi, outer_state = apply_update(outer, grads, outer_state, phi, outer_lr)
    return phi, outer_state, info
