"""What a step hands to the next one, and what it tells about itself."""

from typing import NamedTuple

import torch

from ..optimiser import Optimiser
from ..optimiser.optimiser import as_optimiser
from ..types import ApplyFn, Tensors, Tree

NO_PARAMETER = "theta is empty: the model has no trainable parameter; set requires_grad where it should learn."


class Carry(NamedTuple):
    """What the next step needs beside theta and phi.

    Args:
        inner: slots of theta's optimiser.
        outer: slots of phi's optimiser.
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
        phi_grad_norm: the same of phi; 0 where phi is not learned.
    """

    inner_loss: torch.Tensor
    outer_loss: torch.Tensor
    theta_grad_norm: torch.Tensor
    phi_grad_norm: torch.Tensor


def fresh_carry(
    theta: Tensors, phi: Tree, *, apply_fn: ApplyFn, inner: Optimiser, outer: Optimiser | None = None
) -> Carry:
    """The carry of a run's first step: empty slots, and the model's own buffers."""
    buffers = dict(getattr(apply_fn, "buffers", {}))
    inner = as_optimiser("inner", inner)
    outer = None if outer is None else as_optimiser("outer", outer)
    return Carry(inner.init(theta), {} if outer is None else outer.init(phi), buffers)
