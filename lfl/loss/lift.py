"""From a loss of two numbers to a loss of a batch: the same function for every output of every example."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F

from ..types import Kind
from .classes import IGNORE_INDEX, as_classes
from .handcrafted import same_shape

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
        ignore_index: class id of an example that does not count.
    """

    pointwise: Pointwise
    kind: Kind
    reduction: Reduction = "mean"
    ignore_index: int = IGNORE_INDEX

    def __call__(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each example.

        Args:
            phi: parameters of `pointwise`.
            outputs: logits `[batch, classes]`, or real values `[batch]` or `[batch, ...]`. One logit z, `[batch]` or
                `[batch, 1]`, is taken for the two logits (0, z) of classes 0 and 1: with p = sigmoid(z) the loss sees
                f = (1 - p, p).
            targets: class ids `[batch]`, or real values of the outputs' shape.

        Returns:
            Losses `[batch]`; where class ids do not count, scaled as in `cross_entropy`.

        Raises:
            UserError: outputs and targets do not fit each other; a class id out of range, as in `cross_entropy`.
        """
        if self.kind == "classification":
            classes = as_classes(outputs, targets, self.ignore_index)
            y, f = classes.one_hot.to(outputs.dtype), F.softmax(classes.logits, -1)
            return classes.over_counted(self.over_outputs(self.elementwise(phi, y, f)))
        same_shape(outputs, targets)
        y, f = (t.reshape(outputs.shape[0], -1) for t in (targets, outputs))
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
