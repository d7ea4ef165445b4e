"""`Carry`, the state that a step passes to the next one; and `Info`, its diagnostics."""

from typing import NamedTuple

import torch

from ..optimiser import Optimiser
from ..optimiser.optimiser import as_optimiser
from ..types import ApplyFn, Tensors, Tree

NO_PARAMETER = "theta is empty: the model has no trainable parameter; set requires_grad where it should learn."


class Carry(NamedTuple):
    """The state that the next step needs besides theta and phi.

    Args:
        inner: state of theta's optimiser.
        outer: state of phi's optimiser.
        buffers: the model's buffers.
    """

    inner: Tree
    outer: Tree
    buffers: Tensors


class Info(NamedTuple):
    """Diagnostics of a step, scalar tensors.

    Args:
        inner_loss: mean of the loss that theta descends, on the train batch, before the step.
        outer_loss: mean task loss: after the step on the validation batch where phi is learned, else on the
            train batch before the step.
        theta_grad_norm: Euclidean norm of the gradient of theta.
        phi_grad_norm: Euclidean norm of the gradient of phi; 0 where phi is not learned.
    """

    inner_loss: torch.Tensor
    outer_loss: torch.Tensor
    theta_grad_norm: torch.Tensor
    phi_grad_norm: torch.Tensor


def fresh_carry(
    theta: Tensors, phi: Tree, *, apply_fn: ApplyFn, inner: Optimiser, outer: Optimiser | None = None
) -> Carry:
    """Makes the carry of a run's first step: fresh optimiser states, and the model's own buffers.

    Args:
        theta, phi: parameters of the model and of the learned loss; phi is not used without `outer`.
        apply_fn: the model.
        inner, outer: optimisers of theta and of phi; without `outer` phi's part of the carry is empty.

    Returns:
        A `Carry`.

    Raises:
        UserError: no optimiser.

    Example:
        >>> import torch, lfl
        >>> theta, _, apply_fn = lfl.functional(torch.nn.Linear(2, 1))
        >>> lfl.fresh_carry(theta, None, apply_fn=apply_fn, inner=lfl.sgd(0.1))
        Carry(inner={}, outer={}, buffers={})
    """
    buffers = dict(getattr(apply_fn, "buffers", {}))
    inner = as_optimiser("inner", inner)
    outer = None if outer is None else as_optimiser("outer", outer)
    return Carry(inner.init(theta), {} if outer is None else outer.init(phi), buffers)
