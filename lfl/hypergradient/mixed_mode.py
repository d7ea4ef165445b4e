"""The hypergradient without differentiating twice through the model: backwards over stored steps of theta."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..trees import leaves, map_tree, norm
from ..types import Batch, LossFn, Tensors, Tree
from .averages import average_pass, averaged_base_pass, averaged_validation_gradient
from .bilevel import BasePass, Bilevel, InnerRun, base_pass, forward, mean_loss
from .directional import Directional, forward_mode, one_sided_difference
from .stored_precision import check_stored, lower, raise_again


class Adjoint(NamedTuple):
    """Derivatives of the validation loss by theta, by the real-valued optimiser state, and by phi so far."""

    theta: Tensors
    state: list[torch.Tensor]
    phi: Tree


def inner_step(
    problem: Bilevel, theta: Tensors, phi: Tree, state: Tree, buffers: Tensors, batch: Batch
) -> tuple[Tensors, Tree, BasePass]:
    """One step of theta."""
    base = base_pass(problem, theta, phi, buffers, batch)
    theta, state = problem.update(base.grads, state, theta, phi)
    return theta, state, base


def update(problem: Bilevel, grads: Tensors, state: Tree, theta: Tensors, phi: Tree) -> tuple[Tensors, Tree]:
    """Theta's update by itself, for a gradient that was averaged over processes."""
    return problem.update(grads, state, theta, phi)


def outer_gradient(
    problem: Bilevel, theta: Tensors, phi: Tree, state: Tree, buffers: Tensors, batch: Batch
) -> tuple[torch.Tensor, Adjoint]:
    """The validation loss after the last step, and its derivative; averages where the problem has them."""

    theta_bar, outer_loss = averaged_validation_gradient(problem, theta, buffers, batch)
    state_bar = [torch.zeros_like(leaf) for leaf in real_leaves(state)[0]]
    return outer_loss, Adjoint(theta_bar, state_bar, map_tree(torch.zeros_like, phi))


def backward_step(
    problem: Bilevel,
    directional: Directional,
    adjoint: Adjoint,
    theta: Tensors,
    phi: Tree,
    state: Tree,
    buffers: Tensors,
    batch: Batch,
    base: BasePass | None,
    *,
    first: bool,
    meta_batch_size: int | None,
) -> Adjoint:
    """The adjoint before a step of theta, from the one after it; before the first step phi's alone is computed.

    A base pass that was not kept is run again, unless the optimiser is linear.
    """
    whole = meta_batch_size is None or meta_batch_size >= len(batch[1])
    known = base.outputs if base is not None and whole else None
    if base is not None and base.grads:
        grads = base.grads
    elif problem.updates_linearly:
        grads = map_tree(lambda t: t.new_zeros(()).expand_as(t), theta)  # any will do
    else:
        grads = base_pass(problem, theta, phi, buffers, batch).grads
    real, rebuild = real_leaves(state)

    def update(grads: Tensors, real: list[torch.Tensor], theta: Tensors, phi: Tree) -> Any:
        theta, state = problem.update(grads, rebuild(real), theta, phi)
        return theta, real_leaves(state)[0]

    after = adjoint.theta, adjoint.state
    if first:  # nothing is asked of theta and the state any more
        pull: Any = torch.func.vjp(lambda grads, phi: update(grads, real, theta, phi), grads, phi)[1]
        (w, rate_bar), (theta_bar, state_bar) = pull(after), after
    else:
        pull = torch.func.vjp(update, grads, real, theta, phi)[1]
        w, state_bar, theta_bar, rate_bar = pull(after)
    phi_bar = map_tree(torch.add, adjoint.phi, rate_bar)
    del grads, pull  # as large as theta, and of no more use
    batch = batch if whole else map_tree(lambda t: t[:meta_batch_size], batch)

    def outputs_of(theta: Tensors) -> Tree:
        return forward(problem.apply_fn, theta, buffers, batch)[0]

    def gradient_of(theta: Tensors) -> tuple[Tensors, Tree]:
        there = base_pass(problem, theta, phi, buffers, batch)
        return there.grads, there.outputs

    if first:
        outputs, u = directional(outputs_of, known, theta, w)
    else:
        (_, outputs), (curvature, u) = directional(gradient_of, None, theta, w)
        theta_bar = map_tree(torch.add, theta_bar, curvature)
    phi_bar = map_tree(torch.add, phi_bar, through_loss(problem.loss_fn, phi, outputs, batch[1], u))
    return Adjoint(theta_bar, state_bar, phi_bar)


class Stages(NamedTuple):
    """The functions that `mixed` calls, so that each can be compiled by itself.

    Where several processes take the step, `base_pass` and `update` take the place of `inner_step`. Those that are not
    replaced then average the gradients of both levels while they compute them.
    """

    inner_step: Callable[..., Any] = inner_step
    outer_gradient: Callable[..., Any] = outer_gradient
    backward_step: Callable[..., Any] = backward_step
    base_pass: Callable[..., Any] = base_pass
    update: Callable[..., Any] = update


EAGER = Stages()


def mixed(
    problem: Bilevel,
    theta: Tensors,
    phi: Tree,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    inner_state: Tree,
    buffers: Tensors,
    *,
    directional: Directional = forward_mode,
    meta_batch_size: int | None = None,
    stored: torch.dtype | None = None,
    stages: Stages = EAGER,
) -> tuple[Tree, InnerRun]:
    """Computes the gradient of `unroll` by forward over reverse mode, in the memory of a plain step.

    phi reaches theta_k+1 only through g_k = grad_theta M_phi (and the rate), and g_k only through dM_phi/d(out).
    So with v the adjoint of theta_k+1, from the last step to the first:

        w      = (d update / d g_k)^T v                                         one vjp of the optimiser
        u      = J_f(theta_k; x) w                                              one jvp of the model
        L_phi += grad_phi < dM_phi/d(out), u > + (d update / d phi)^T v         through the loss alone
        v     := (d update / d theta_k)^T v + H_k w                             one jvp of the gradient, for K > 1

    Memory: the parameters and optimiser states of K steps, and the activations of one. For K > 1 gradients are computed
    again rather than kept; where several processes take the step they are kept, since they would be averaged again.

    Args:
        problem, theta, phi, batches_tr, batch_val, inner_state, buffers: as in `unroll`.
        directional: how u and H_k w are computed.
        meta_batch_size: examples of each train batch that u and H_k w are taken over, the first ones; all of them when
            omitted. Fewer make the gradient an estimate.
        stored: the precision in which the steps after the first are kept for the way back, `torch.bfloat16` for half
            the memory: theta as its difference from the first theta, and the optimiser's state. Each step itself stays
            in full precision; only where derivatives are taken is rounded (docs/cost.md has the error). None for
            theta's own. `functools.partial(lfl.mixed, stored=torch.bfloat16)` is a hypergradient for steps.
        stages: the functions of the passes; compiled ones, for instance.

    Returns:
        What `unroll` returns, to rounding. The running statistics that a base pass leaves are constants in the passes
        after it, which in training mode do not use them.

    Raises:
        UserError: `stored` is no lower precision.
    """
    check_stored(stored)
    together, average = problem, problem.average
    if average is not None:
        problem = problem._replace(average=None, averaged_gradient=None)  # averages fall between the other passes
    overlaps = average is not None and stages == EAGER
    keeps = average is not None and not problem.updates_linearly
    trajectory: list[tuple[Any, ...]] = []
    theta_k, state_k, buffers_k = theta, inner_state, buffers
    for batch in batches_tr:
        before = theta_k, phi, state_k, buffers_k, batch
        if average is None:
            theta_k, state_k, base = stages.inner_step(problem, *before)
        else:
            if overlaps:
                base = averaged_base_pass(together, theta_k, phi, buffers_k, batch)
            else:
                base = average_pass(together, stages.base_pass(problem, theta_k, phi, buffers_k, batch), buffers_k)
            theta_k, state_k = stages.update(problem, base.grads, state_k, theta_k, phi)
        grad_norm = norm(base.grads)
        if problem.updates_linearly:
            base = base._replace(grads={})  # as large as theta, and of no more use
        kept = base if len(batches_tr) == 1 else base._replace(outputs=None, buffers={}) if keeps else None
        step = (*before, kept)
        trajectory.append(step if stored is None or not trajectory else lower(stored, step, trajectory[0]))
        buffers_k = base.buffers
    outer_loss, adjoint = stages.outer_gradient(
        together if overlaps else problem, theta_k, phi, state_k, buffers_k, batch_val
    )
    if average is not None and not overlaps:
        outer_loss, theta_bar = average((outer_loss, adjoint.theta))
        adjoint = adjoint._replace(theta=theta_bar)
    run = InnerRun(theta_k, state_k, buffers_k, base.loss, grad_norm, outer_loss)
    del base, kept, step, before
    while trajectory:
        step = trajectory.pop()
        if stored is not None and trajectory:
            step = raise_again(step, trajectory[0])
        adjoint = stages.backward_step(
            problem, directional, adjoint, *step, first=not trajectory, meta_batch_size=meta_batch_size
        )
        if average is not None and trajectory:
            adjoint = adjoint._replace(theta=average(adjoint.theta))
    return (adjoint.phi if average is None else average(adjoint.phi)), run


def finite_difference(
    problem: Bilevel,
    theta: Tensors,
    phi: Tree,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    inner_state: Tree,
    buffers: Tensors,
    *,
    meta_batch_size: int | None = None,
    stages: Stages = EAGER,
) -> tuple[Tree, InnerRun]:
    """Approximates the gradient of `mixed`: u and H_k w are one-sided differences, each one evaluation more.

        u = (f(theta_k + h w) - f(theta_k)) / h          H_k w likewise, of the gradient

    In float32 its median relative error is below 1e-3 for an MLP or LeNet-5, and 0.1 for a convolutional network with
    batch norm (docs/cost.md).

    Args:
        problem, theta, phi, batches_tr, batch_val, inner_state, buffers, meta_batch_size, stages: as in `mixed`.

    Returns:
        The gradient and the `InnerRun`, as `mixed`.

    Raises:
        UserError: the model or the loss treats values as constants (`torch.no_grad()`, `detach()`).
    """
    return mixed(
        problem,
        theta,
        phi,
        batches_tr,
        batch_val,
        inner_state,
        buffers,
        directional=one_sided_difference,
        meta_batch_size=meta_batch_size,
        stages=stages,
    )


def through_loss(loss_fn: LossFn, phi: Tree, outputs: Tree, targets: Any, u: Tree) -> Tree:
    """grad_phi < dM_phi/d(out), u >, all of it within the loss network. Outputs are a tensor or a tree of them."""
    real, rebuild = real_leaves(outputs)
    directions = [d for d, out in zip(leaves(u), leaves(outputs), strict=True) if out.is_floating_point()]

    def slope_along_u(phi: Tree) -> torch.Tensor:
        loss = partial(loss_fn, phi)
        slopes = torch.func.grad(lambda real: mean_loss(loss, rebuild(real), targets))(real)
        return reduce(torch.add, [torch.sum(slope * d) for slope, d in zip(slopes, directions, strict=True)])

    return torch.func.grad(slope_along_u)(phi)


def real_leaves(tree: Tree) -> tuple[list[torch.Tensor], Callable[[list[torch.Tensor]], Tree]]:
    """The real-valued leaves of a tree of tensors, and the function that puts them back; counters stay as they are."""
    flat, structure = tree_flatten(tree)
    real = [leaf.is_floating_point() for leaf in flat]

    def rebuild(given: list[torch.Tensor]) -> Tree:
        rest = iter(given)
        return tree_unflatten([next(rest) if r else leaf for r, leaf in zip(real, flat, strict=True)], structure)

    return [leaf for r, leaf in zip(real, flat, strict=True) if r], rebuild
