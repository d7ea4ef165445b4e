"""Learned losses of a whole example, which no function of one target and one output makes up."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ..errors import UserError
from ..types import Kind
from .classes import IGNORE_INDEX, as_classes
from .handcrafted import same_shape
from .lift import LearnedLoss, expected_over_classes, in_one_precision

OfExamples = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""`function(phi, outputs, targets) -> [batch]`."""


@dataclass(frozen=True)
class ExampleLoss:
    """M_phi as a function of all outputs of an example together.

    Args:
        function: `function(phi, outputs, targets) -> [batch]`. Outputs are logits `[batch, classes]`, at least two of
            them, and targets class ids `[batch]` in range that all count; or both are real values of one shape, with
            the batch first.
        kind: what outputs and targets are.
        num_outputs: the only number of outputs that the loss takes; None for any.
        ignore_index: class id of an example that does not count.
    """

    function: OfExamples
    kind: Kind
    num_outputs: int | None = None
    ignore_index: int = IGNORE_INDEX

    def __call__(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each example; args, returns and raises as of `LearnedLoss`."""
        phi, outputs = in_one_precision(phi, outputs)
        if self.kind == "classification":
            classes = as_classes(outputs, targets, self.ignore_index)
            return classes.over_counted(self.of_ids(phi, classes.logits, classes.ids))
        same_shape(outputs, targets)
        return self._checked(phi, outputs, targets.to(outputs.dtype))

    def of_ids(self, phi: Any, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Losses `[batch]` of logits `[batch, classes]`, at least two of them, and class ids `[batch]` in range."""
        return self._checked(phi, logits, ids)

    def expected(self, phi: Any, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Expected losses `[batch]`, sum_k p_k M_phi(class k), of class probabilities p `[batch, classes]`."""
        return expected_over_classes(partial(self._checked, phi), logits, shares)

    def of_values(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Losses of real values of any shape, each as an example with one output; targets have the same shape."""
        flat = (t.to(outputs.dtype).reshape(-1) for t in (outputs, targets))
        return self._checked(phi, *flat).reshape(outputs.shape)

    def _checked(self, phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        width = outputs.shape[1] if outputs.dim() > 1 else 1
        if self.num_outputs is not None and self.num_outputs != width:
            raise UserError(f"this loss was made for {self.num_outputs} outputs, but got {list(outputs.shape)}.")
        losses = self.function(phi, outputs, targets)
        if losses.shape != outputs.shape[:1]:
            raise UserError(
                f"a learned loss must return a loss for each example, {list(outputs.shape[:1])}, but returned "
                f"{list(losses.shape)}."
            )
        return losses


AnyLearnedLoss = LearnedLoss | ExampleLoss
"""A learned loss, of one output at a time or of a whole example."""
