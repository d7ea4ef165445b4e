"""One step of AdaLFL: theta descends the learned loss, then phi the validation loss after that; and phi's gradient.

`through_horizon` is what `meta_step`, `phi_gradient` and `offline_step` share.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import UserError
from ..hypergradient import Bilevel, Hypergradient, InnerRun, resolve
from ..hypergradient.directional import HOOKS_REFUSED
from ..model.custom_gradients import NONE
from ..optimiser import Optimiser
from ..optimiser.optimiser import apply_update, as_optimiser, hide_numbers
from ..trees import leaves, norm, show_constants
from ..types import ApplyFn, Batch, Group, LossFn, Rate, RateOfPhi, TaskLoss, Tensors, Tree
from .batches import as_batch, as_batches, first_examples
from .carry import NO_PARAMETER, Carry, Info, fresh_carry
from .guard import copies, first_that_works, in_transform, no_random_draws, no_writes, warn_of_zero_gradient
from .ranks import parts, ranks_of, refuse_in_programs


def meta_step(
    theta: Tensors,
    phi: Tree,
    batch_tr: Batch | list[Any],
    batch_val: Batch | list[Any],
    carry: Carry | None = None,
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    outer: Optimiser,
    inner_lr: Rate | RateOfPhi | None = None,
    outer_lr: Rate | None = None,
    hypergradient: str | Hypergradient = "auto",
    meta_batch_size: int | None = None,
    group: Group | None = None,
) -> tuple[Tensors, Tree, Carry, Info]:
    """Takes one online step of AdaLFL: a step of theta, then one of phi.

        theta' = theta - alpha grad_theta M_phi(y, f_theta(x))         train batch
        phi'   = phi   - eta   grad_phi   L_T(y, f_theta'(x))          validation batch, through theta'(phi)

    A pure function: it writes to none of its inputs, draws no random numbers, and can be vmapped and compiled.

    Args:
        theta: parameters of the model by name.
        phi: parameters of the learned loss, of the learning rate, or of both; a pytree.
        batch_tr: train batch, in one of three forms; or a list of K of them: theta takes K steps, and phi one along the
            gradient through them all. A list that does not start with a tuple or list is one batch, a `DataLoader`'s.
            `(x, y)`: for a model without randomness.
            `(x, y, masks)`: for one with dropout, the masks from `lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x),
            generator)`.
            `(x, y, seed)`: for one that draws random numbers by itself, the seed an int: every pass over the batch
            draws from torch's generators set to the seed, and restores them. In eager steps alone.
        batch_val: validation batch in the same forms.
        carry: from the step before. When omitted, momentum, Adam's averages and running statistics start fresh:
            right for a single step or the first one, wrong in a loop. Under `vmap` give it, so that each copy has its
            own batch-norm statistics.
        apply_fn: the model, `apply_fn(theta, buffers, x) -> (outputs, buffers)`, as from `lfl.functional`.
        loss_fn: the learned loss, `loss_fn(phi, outputs, targets) -> [batch]`; the step takes its mean. Outputs and
            targets are what the model returns and the batch holds; lfl's own losses take tensors.
        task_loss: the task's own loss, `task_loss(outputs, targets) -> [batch]`; likewise.
        inner: optimiser of theta, such as `lfl.sgd(0.01)`, or a pair `(init, update)`, see `docs/own-optimiser.md`.
        outer: optimiser of phi, such as `lfl.adam(1e-5)`, or a pair.
        inner_lr, outer_lr: rates of this step in place of the optimisers' own; as tensors they change without
            recompiling. `inner_lr(phi)` reads the rate from phi, so that it is learned.
        hypergradient: how the gradient of phi is computed.
            `"unroll"`: exactly, `torch.func.grad` composed with itself.
            `"mixed"`: exactly, forward over reverse mode, in the memory of a plain step.
            `"auto"`: the faster of these two: `unroll` for a single step, unless the model has convolutions and
            is not being compiled; else `mixed`.
            `"finite-difference"`: an approximation by one more forward pass.
            `"implicit"`: an approximation that assumes theta to be at a minimum of the learned loss; `lfl.implicit`
            makes it with other settings.
            Or a function: `lfl.unroll`, `lfl.mixed`, one of your own (`lfl.Hypergradient`).
        meta_batch_size: examples of each batch that the gradient of phi is taken over, the first ones; all of them
            when omitted. Fewer are cheaper, and an estimate. Theta's own steps always use whole batches.
        group: the processes that take the step together, each on its slice of the batches, with the results of one
            process on all of them: a `torch.distributed.ProcessGroup`, such as `torch.distributed.group.WORLD`, or an
            `lfl.Ranks`. Every rank gives the same arguments. In eager steps alone (docs/distributed.md).

    Returns:
        `theta`, `phi` and `carry` after the step, and `info`, an `lfl.Info` of losses and gradient norms.

    Raises:
        UserError: an unknown `hypergradient`, or one that takes whole batches with a `meta_batch_size`; the model
            has an operation that cannot be differentiated twice, lacks dropout masks, or draws random numbers
            itself; outputs and targets do not fit; a batch in another form; no optimiser; no trainable parameter;
            theta, phi or a batch differs between ranks (checked at steps without a carry).
        Failure: another rank of the group has stopped.

    Warns:
        ZeroGradientWarning: at an eager step without a carry, where the gradient of phi is exactly 0.

    Example:
        >>> import torch, lfl
        >>> g = torch.Generator().manual_seed(0)
        >>> theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
        >>> phi, loss_fn = lfl.loss_network("classification", generator=g)
        >>> batch = torch.randn(8, 3, generator=g), torch.randint(2, (8,), generator=g)
        >>> theta, phi, carry, info = lfl.meta_step(
        ...     theta, phi, batch, batch, apply_fn=apply_fn, loss_fn=loss_fn,
        ...     task_loss=lfl.cross_entropy, inner=lfl.sgd(0.01), outer=lfl.adam(1e-5))
        >>> info.phi_grad_norm > 0
        tensor(True)

    Source: Raymond et al. (2025), Algorithm 2, eqs. 6 to 9.
    """
    batches, valid = as_batches("batch_tr", batch_tr), as_batch("batch_val", batch_val)
    outer = as_optimiser("outer", outer, outer_lr)
    grads, run, info = through_horizon(
        theta,
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
        meta_batch_size=meta_batch_size,
        group=group,
    )
    outer_state = outer.init(phi) if carry is None else carry.outer
    phi, outer_state = apply_update(outer, grads, outer_state, phi, outer_lr)
    return run.theta, phi, Carry(run.inner, outer_state, run.buffers), info


def phi_gradient(
    theta: Tensors,
    phi: Tree,
    batch_tr: Batch | list[Any],
    batch_val: Batch | list[Any],
    carry: Carry | None = None,
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    inner_lr: Rate | RateOfPhi | None = None,
    hypergradient: str | Hypergradient = "auto",
    meta_batch_size: int | None = None,
    group: Group | None = None,
) -> tuple[Tree, Info]:
    """The gradient of phi that `lfl.meta_step` descends, without a step of phi.

        grad_phi L_T(y, f_theta'(x))          theta' = theta - alpha grad_theta M_phi(y, f_theta(x))

    Use it with an optimiser of your own for phi, to sum gradients over several models or tasks, or to inspect them.

    Args:
        theta, phi, batch_tr, batch_val, apply_fn, loss_fn, task_loss, inner, inner_lr, hypergradient, meta_batch_size,
            group: as in `lfl.meta_step`.
        carry: from the step before, or `lfl.fresh_carry`: state of theta's optimiser and buffers; its `outer` is not
            used. Fresh when omitted.

    Returns:
        The gradient, a pytree like phi; and `info`, an `lfl.Info` as of the step. Theta is left where it is.

    Raises:
        UserError: as `lfl.meta_step`.

    Warns:
        ZeroGradientWarning: eagerly and without a carry, where the gradient is exactly 0.

    Example:
        >>> import torch, lfl
        >>> theta, _, apply_fn = lfl.functional(torch.nn.Linear(3, 1))
        >>> phi, loss_fn = lfl.loss_network("regression", generator=torch.Generator().manual_seed(0))
        >>> batch = torch.ones(4, 3), torch.zeros(4, 1)
        >>> grads, info = lfl.phi_gradient(
        ...     theta, phi, batch, batch, apply_fn=apply_fn, loss_fn=loss_fn,
        ...     task_loss=lfl.squared_error, inner=lfl.sgd(0.01))
        >>> {name: grad.shape == phi[name].shape for name, grad in grads.items()}
        {'0.weight': True, '1.weight': True, '2.weight': True}

    Source: Raymond et al. (2025), eq. 9.
    """
    grads, _, info = through_horizon(
        theta,
        phi,
        as_batches("batch_tr", batch_tr),
        as_batch("batch_val", batch_val),
        carry,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=task_loss,
        inner=inner,
        inner_lr=inner_lr,
        hypergradient=hypergradient,
        meta_batch_size=meta_batch_size,
        group=group,
    )
    return grads, info


def through_horizon(
    theta: Tensors,
    phi: Tree,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    carry: Carry | None,
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    inner_lr: Rate | RateOfPhi | None,
    hypergradient: str | Hypergradient,
    meta_batch_size: int | None = None,
    group: Group | None = None,
) -> tuple[Tree, InnerRun, Info]:
    """The gradient of phi through a step of theta on each train batch, and where these steps ended.

    An eager call checks for hidden random draws and for writes to its arguments. Without a carry it works on copies, so
    that the caller's tensors are unchanged when such an error is raised; it then also warns of a gradient of 0, at the
    caller of its caller.
    """
    inner = as_optimiser("inner", inner, inner_lr)
    _check_tensors(theta, phi)
    fresh, eager, ranks = carry is None, not in_transform(), ranks_of(group)
    if ranks is not None:
        refuse_in_programs(not eager)
        if fresh:
            ranks.check_equal(theta=theta, phi=phi)
        batches_tr, batch_val = parts(ranks, batches_tr, batch_val, check=fresh)
        meta_batch_size = None if meta_batch_size is None else ranks.share("meta_batch_size", meta_batch_size)
    if meta_batch_size is not None:
        batch_val = first_examples(batches_tr, batch_val, meta_batch_size)
    custom = getattr(apply_fn, "custom_gradients", NONE)
    if custom.hooks:
        raise UserError(HOOKS_REFUSED)
    forms = resolve(
        hypergradient,
        theta,
        num_steps=len(batches_tr),
        meta_batch_size=meta_batch_size,
        lowered=getattr(apply_fn, "autocast", None) is not None,
        custom=bool(custom.functions),
        averaged=ranks is not None,
    )
    if carry is None:
        carry = fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner)
        if eager:
            theta, batches_tr, batch_val = copies((theta, batches_tr, batch_val))
    hidden = not all(isinstance(leaf, torch.Tensor) for leaf in leaves(carry.inner))
    state = hide_numbers(carry.inner) if hidden else carry.inner
    apply_fn = apply_fn if ranks is None else ranks.model(apply_fn)
    problem = Bilevel(apply_fn, loss_fn, task_loss, inner, inner_lr, hidden)
    if ranks is not None:
        problem = problem._replace(average=ranks.average, averaged_gradient=ranks.averaged_gradient)
    computations = [partial(form, problem, theta, phi, batches_tr, batch_val, state, carry.buffers) for form in forms]
    with sdpa_kernel(SDPBackend.MATH):  # no other attention has second derivatives
        if eager:
            with no_random_draws(), no_writes(theta, [*batches_tr, batch_val]):
                grads, run = first_that_works(computations, apply_fn, theta, carry.buffers, batches_tr)
        else:
            grads, run = computations[0]()
    info = Info(run.inner_loss, run.outer_loss, run.theta_grad_norm, norm(grads))
    if fresh and eager and (ranks is None or ranks.rank == 0):
        warn_of_zero_gradient(info, stacklevel=3)
    return grads, run._replace(inner=show_constants(run.inner)) if hidden else run, info


def _check_tensors(theta: Tensors, phi: Tree) -> None:
    if not theta:
        raise UserError(NO_PARAMETER)
    if not leaves(phi) or not all(isinstance(leaf, torch.Tensor) for leaf in leaves(phi)):
        raise UserError("phi must be a pytree of at least one tensor, such as the first result of lfl.loss_network.")
