"""From a loss of two numbers to a loss of a batch: the same function for every output of every example."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import torch
import torch.nn.functional as F

from ..errors import UserError
from ..trees import leaves, map_tree
from ..types import Kind
from .handcrafted import one_hot, same_shape

Reduction = Literal["mean", "sum"]
Pointwise = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""`pointwise(phi, target, output) -> loss`, all three scalar tensors; for `lfl export` also all three of one shape."""


@dataclass(frozen=True)
class LearnedLoss:
    """M_phi: `pointwise` evaluated at each output with `torch.func.vmap`, and reduced over the outputs.

    Args:
        pointwise: the loss l_phi(y_i, f_i) of two numbers.
        kind: what outputs and targets are: logits and class ids, or real values.
        reduction: over the outputs of an example.
    """

    pointwise: Pointwise
    kind: Kind
    reduction: Reduction = "mean"

    def __call__(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each example.

        Args:
            phi: parameters of `pointwise`.
            outputs: logits `[batch, classes]`, or real values `[batch]` or `[batch, ...]`.
            targets: class ids `[batch]`, or real values of the outputs' shape.

        Returns:
            Losses `[batch]`.

        Raises:
            UserError: outputs and targets do not fit each other.
        """
        phi, outputs = _in_one_precision(phi, outputs)
        if self.kind == "classification":
            if outputs.dim() != 2 or targets.shape[:1] != outputs.shape[:1]:
                raise UserError(
                    f"classification wants outputs [batch, classes] and targets [batch], but "
                    f"{list(outputs.shape)} and {list(targets.shape)} came."
                )
            y = one_hot(targets, outputs.shape[1]).to(outputs.dtype)
            f = F.softmax(outputs, -1)
        else:
            same_shape(outputs, targets)
            y, f = (t.to(outputs.dtype).reshape(outputs.shape[0], -1) for t in (targets, outputs))
        return self.over_outputs(self.elementwise(phi, y, f))

    def elementwise(self, phi: Any, y: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        """l_phi(y, f) of numbers as `pointwise` sees them, of targets that are 1 or 0 and probabilities for classes.

        Args:
            phi: parameters of `pointwise`.
            y, f: `[batch, outputs]`.

        Returns:
            Losses `[batch, outputs]`.
        """
        if torch.compiler.is_exporting():  # before torch 2.12 the exporter does not get through vmap
            return self.pointwise(phi, y, f)
        over_outputs = torch.func.vmap(self.pointwise, (None, 0, 0))
        return torch.func.vmap(over_outputs, (None, 0, 0))(phi, y, f)

    def over_outputs(self, losses: torch.Tensor) -> torch.Tensor:
        """Losses `[batch]` of losses `[batch, outputs]`."""
        return losses.mean(-1) if self.reduction == "mean" else losses.sum(-1)


def _in_one_precision(phi: Any, outputs: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """Both in the wider of their precisions: a model in float64 or bfloat16 meets a phi in float32."""
    dtypes = {t.dtype for t in leaves(phi) if t.is_floating_point()} | {outputs.dtype}
    if len(dtypes) == 1:
        return phi, outputs
    wide = reduce(torch.promote_types, dtypes)
    return map_tree(lambda t: t.to(wide) if t.is_floating_point() else t, phi), outputs.to(wide)
