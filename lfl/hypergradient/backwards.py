"""The hypergradient without differentiating twice through the model: backwards over stored steps of theta."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..trees import leaves, map_tree, norm
from ..types import Batch, LossFn, Tensors
from .along import Along, forward_mode
from .gradient import gradient
from .inner import BasePass, Bilevel, Lookahead, base_pass, forward, mean_loss, validation_loss


class Adjoint(NamedTuple):
    """Derivatives of the validation loss by theta, by the smooth slots, and by phi so far."""

    theta: Tensors
    slots: list[torch.Tensor]
    phi: Any


def advance(
    problem: Bilevel, theta: Tensors, phi: Any, state: Any, buffers: Tensors, batch: Batch
) -> tuple[Tensors, Any, BasePass]:
    """One step of theta."""
    base = base_pass(problem, theta, phi, buffers, batch)
    theta, state = problem.update(base.grads, state, theta, phi)
    return theta, state, base


def judge(
    problem: Bilevel, theta: Tensors, phi: Any, state: Any, buffers: Tensors, batch: Batch
) -> tuple[torch.Tensor, Adjoint]:
    """The validation loss after the last step, and its derivative."""

    def loss(theta: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        value = validation_loss(problem, theta, buffers, batch)
        return value, value

    theta_bar, outer_loss = gradient(loss, theta)
    slots_bar = [torch.zeros_like(slot) for slot in _slots(state)[0]]
    return outer_loss, Adjoint(theta_bar, slots_bar, map_tree(torch.zeros_like, phi))


def retreat(
    problem: Bilevel,
    along: Along,
    adjoint: Adjoint,
    theta: Tensors,
    phi: Any,
    state: Any,
    buffers: Tensors,
    batch: Batch,
    base: BasePass | None,
    *,
    first: bool,
    part: int | None,
) -> Adjoint:
    """The adjoint before a step, from the one after it; before the first step only phi's is wanted.

    A base pass that was not kept is run again, unless the optimiser is linear.
    """
    whole = part is None or part >= len(batch[1])
    known = base.outputs if base is not None and whole else None
    if base is not None:
        grads = base.grads
    elif problem.updates_linearly:
        grads = map_tree(torch.zeros_like, theta)  # any will do
    else:
        grads = base_pass(problem, theta, phi, buffers, batch).grads
    slots, rebuild = _slots(state)

    def update(grads: Tensors, slots: list[torch.Tensor], theta: Tensors, phi: Any) -> Any:
        theta, state = problem.update(grads, rebuild(slots), theta, phi)
        return theta, _slots(state)[0]

    pull: Any = torch.func.vjp(update, grads, slots, theta, phi)[1]
    w, slots_bar, theta_bar, rate_bar = pull((adjoint.theta, adjoint.slots))
    phi_bar = map_tree(torch.add, adjoint.phi, rate_bar)
    del grads, pull  # as large as theta, and of no more use
    batch = batch if whole else map_tree(lambda t: t[:part], batch)

    def outputs_of(theta: Tensors) -> Any:
        return forward(problem.apply_fn, theta, buffers, batch)[0]

    def gradient_of(theta: Tensors) -> tuple[Tensors, Any]:
        there = base_pass(problem, theta, phi, buffers, batch)
        return there.grads, there.outputs

    if first:
        outputs, u = along(outputs_of, known, theta, w)
    else:
        (_, outputs), (curvature, u) = along(gradient_of, None, theta, w)
        theta_bar = map_tree(torch.add, theta_bar, curvature)
    phi_bar = map_tree(torch.add, phi_bar, through_loss(problem.loss_fn, phi, outputs, batch[1], u))
    return Adjoint(theta_bar, slots_bar, phi_bar)


class Pieces(NamedTuple):
    """The functions that the backward pass is made of, so that each can be compiled for itself."""

    advance: Callable[..., Any] = advance
    judge: Callable[..., Any] = judge
    retreat: Callable[..., Any] = retreat


EAGER = Pieces()


def mixed(
    problem: Bilevel,
    theta: Tensors,
    phi: Any,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    inner_state: Any,
    buffers: Tensors,
    *,
    along: Along = forward_mode,
    part: int | None = None,
    pieces: Pieces = EAGER,
) -> tuple[Any, Lookahead]:
    """The gradient of `unroll` by forward over reverse mode, in the memory of a plain step.

    phi reaches theta_k+1 only through g_k = grad_theta M_phi (and the rate), and g_k only through dM_phi/d(out).
    So with v the adjoint of theta_k+1, from the last step to the first:

        w      = (d update / d g_k)^T v                                         one vjp of the optimiser
        u      = J_f(theta_k; x) w                                              one jvp of the model
        L_phi += grad_phi < dM_phi/d(out), u > + (d update / d phi)^T v         through the loss alone
        v     := (d update / d theta_k)^T v + H_k w                             one jvp of the gradient, for K > 1

    Memory: the parameters and slots of K steps, and the activations of one. For K > 1 gradients are computed again
    rather than kept.

    Args:
        problem, theta, phi, batches_tr, batch_val, inner_state, buffers: those of `unroll`.
        along: how u and H_k w are computed.
        part: examples of each train batch that u and H_k w are taken over, the first ones; all of them when
            omitted. Fewer make the gradient an estimate.
        pieces: the three functions of the passes; compiled ones, for instance.

    Returns:
        What `unroll` returns, to rounding. The running statistics that a base pass leaves are taken as constants
        in the passes after it, which in training mode do not use them.
    """
    trajectory = []
    theta_k, state_k, buffers_k = theta, inner_state, buffers
    for batch in batches_tr:
        before = theta_k, phi, state_k, buffers_k, batch
        theta_k, state_k, base = pieces.advance(problem, *before)
        trajectory.append((*before, base if len(batches_tr) == 1 else None))
        buffers_k = base.buffers
    outer_loss, adjoint = pieces.judge(problem, theta_k, phi, state_k, buffers_k, batch_val)
    lookahead = Lookahead(theta_k, state_k, buffers_k, base.loss, norm(base.grads), outer_loss)
    del base
    while trajectory:
        step = trajectory.pop()
        adjoint = pieces.retreat(problem, along, adjoint, *step, first=not trajectory, part=part)
    return adjoint.phi, lookahead


def through_loss(loss_fn: LossFn, phi: Any, outputs: Any, targets: Any, u: Any) -> Any:
    """grad_phi < dM_phi/d(out), u >: all of it within the loss network. Outputs are a tensor or a tree of them."""
    smooth, rebuild = _slots(outputs)
    directions = [d for d, out in zip(leaves(u), leaves(outputs), strict=True) if out.is_floating_point()]

    def directional(phi: Any) -> torch.Tensor:
        loss = partial(loss_fn, phi)
        slopes = torch.func.grad(lambda smooth: mean_loss(loss, rebuild(smooth), targets))(smooth)
        return reduce(torch.add, [torch.sum(slope * d) for slope, d in zip(slopes, directions, strict=True)])

    return torch.func.grad(directional)(phi)


def _slots(state: Any) -> tuple[list[torch.Tensor], Callable[[list[torch.Tensor]], Any]]:
    """The differentiable leaves of a tree of tensors, and the way back; counters are left as they are."""
    flat, structure = tree_flatten(state)
    smooth = [leaf.is_floating_point() for leaf in flat]

    def rebuild(slots: list[torch.Tensor]) -> Any:
        given = iter(slots)
        return tree_unflatten([next(given) if s else leaf for s, leaf in zip(smooth, flat, strict=True)], structure)

    return [leaf for s, leaf in zip(smooth, flat, strict=True) if s], rebuild
