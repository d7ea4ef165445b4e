"""The derivatives of a loss that steps need: by the outputs, and of those by phi. The model is not among them."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

from ..trees import leaves, map_tree
from ..types import LossFn, Tensors
from ..types import Tree as AnyTree


class Slopes(NamedTuple):
    """The mean loss of a batch and its derivatives.

    Args:
        value: of the mean loss, a scalar tensor.
        slopes: s = d value / d outputs, like the outputs.
        pull: `pull(u)`, the gradient of phi of < s, u >, for u like the outputs.
    """

    value: torch.Tensor
    slopes: torch.Tensor
    pull: Callable[[torch.Tensor], AnyTree]


def slopes_of(
    loss_fn: LossFn, phi: Tensors, outputs: torch.Tensor, targets: torch.Tensor, *, of_phi: bool = False
) -> Slopes:
    """Computes the slopes of a loss by the outputs.

    Eagerly, by torch's own autograd: next to a loss this small, the transforms of `torch.func` cost more than it does.

    Args:
        loss_fn, phi: the loss.
        outputs, targets: of the batch.
        of_phi: whether `pull` will be called; it raises otherwise.
    """
    with torch.enable_grad():
        phi = map_tree(lambda t: t.detach().requires_grad_(of_phi), phi)
        outputs = outputs.detach().requires_grad_()
        value = loss_fn(phi, outputs, targets).mean()
        if not value.requires_grad:
            return Slopes(value, torch.zeros_like(outputs), lambda u: map_tree(torch.zeros_like, phi))
        (slopes,) = torch.autograd.grad(value, outputs, create_graph=of_phi, materialize_grads=True)
    return Slopes(value.detach(), slopes.detach(), partial(_pull, phi, slopes))


def _pull(phi: Tensors, slopes: torch.Tensor, u: torch.Tensor) -> AnyTree:
    if not slopes.requires_grad:  # a loss that is linear in the outputs, without phi in its slope
        return map_tree(torch.zeros_like, phi)
    with torch.enable_grad():
        along = torch.sum(slopes * u)
    found = iter(torch.autograd.grad(along, leaves(phi), materialize_grads=True))
    return map_tree(lambda _: next(found), phi)
