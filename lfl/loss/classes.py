"""Logits and class ids: checks that they fit, which examples count, and one logit as two."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import NamedTuple

import torch

from ..errors import UserError

IGNORE_INDEX = -100
"""The class id of an example that is ignored, as in torch."""


class Classes(NamedTuple):
    """Checked logits and class ids.

    Args:
        logits: `[batch, classes]`, at least two of them.
        ids: class ids `[batch]`, int64, all in range; 0 for ignored examples.
        counted: booleans `[batch]`, false for ignored examples; None if no example is known to be ignored.
        weights: factors `[batch]` on the losses that make their mean the mean over counted examples; None for 1.
    """

    logits: torch.Tensor
    ids: torch.Tensor
    counted: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    @property
    def one_hot(self) -> torch.Tensor:
        """Targets as booleans `[batch, classes]`; `F.one_hot` does not run under the transforms."""
        return self.ids[:, None] == torch.arange(self.logits.shape[1], device=self.ids.device)

    def over_counted(self, losses: torch.Tensor) -> torch.Tensor:
        """Sets losses `[batch]` of ignored examples to 0, and scales the others so that the mean is the mean over them.

            batch / counted loss        so that        1/batch sum = 1/counted sum over those that count

        If no example is ignored the losses are unchanged; if all are, the mean is NaN, as in torch.
        """
        if self.counted is None or self.weights is None:
            return losses
        return torch.where(self.counted, losses, 0.0) * self.weights.to(losses.dtype)


def as_classes(outputs: torch.Tensor, targets: torch.Tensor, ignore_index: int = IGNORE_INDEX) -> Classes:
    """Converts outputs and targets to logits and class ids, and checks them.

    Args:
        outputs: logits `[batch, classes]`; or one logit `[batch]` or `[batch, 1]`, as in `class_logits`.
        targets: class ids `[batch]`, integers; 0 or 1 for one logit.
        ignore_index: class id of ignored examples.

    Returns:
        The `Classes`. A class id out of range raises an error if its value can be read: in an eager program, and on a
        GPU outside transforms. Elsewhere (vmapped, compiled) its loss is NaN.

    Raises:
        UserError: other shapes or dtypes, or a class id out of range.
    """
    logits = class_logits(outputs)
    if logits.dim() != 2 or targets.shape != logits.shape[:1] or not _integers(targets):
        raise UserError(
            f"classification needs outputs [batch, classes] and class ids, integers [batch], got "
            f"{list(outputs.shape)} and {list(targets.shape)} of {targets.dtype}; real-valued targets are for "
            "regression."
        )
    ids, num_classes = targets.long(), logits.shape[1]
    if values_are_visible(targets):
        if not 0 <= ignore_index < num_classes and _all_in_range(ids, num_classes):
            return Classes(logits, ids)
        check_class_ids(targets, outputs.shape[1] if outputs.dim() > 1 else 1, ignore_index=ignore_index)
    counted = ids != ignore_index
    known = (ids >= 0) & (ids < num_classes)
    factor = ids.shape[0] / counted.sum().to(torch.promote_types(logits.dtype, torch.float32))
    weights = torch.where(known | ~counted, factor, torch.nan)
    return Classes(logits, torch.where(known & counted, ids, 0), counted, weights)


def class_logits(outputs: torch.Tensor) -> torch.Tensor:
    """Converts one logit z to the two logits (0, z), whose softmax is (1 - p, p) with p = sigmoid(z).

    Args:
        outputs: `[batch]`, `[batch, 1]` or `[batch, classes]`.

    Returns:
        Logits `[batch, classes]`, at least two of them; two or more outputs are returned unchanged.

    Example:
        >>> class_logits(torch.tensor([[3.0], [-1.0]]))
        tensor([[ 0.,  3.],
                [ 0., -1.]])
    """
    if outputs.dim() == 1:
        outputs = outputs[:, None]
    if outputs.dim() != 2 or outputs.shape[1] != 1:
        return outputs
    return torch.cat((torch.zeros_like(outputs), outputs), 1)


def check_class_ids(targets: torch.Tensor, num_outputs: int, *, ignore_index: int = IGNORE_INDEX) -> None:
    """Raises `UserError` unless each class id has an output; on a GPU this waits for the device.

    Args:
        targets: class ids of any shape, integers.
        num_outputs: logits of an example; one logit has the classes 0 and 1.
        ignore_index: class id of ignored examples.

    Raises:
        UserError: targets that are not integers, or a class id out of range.

    Example:
        >>> check_class_ids(torch.tensor([0, 2, -100]), num_outputs=3)
    """
    if not _integers(targets):
        raise UserError(f"class ids are integers, got targets of {targets.dtype}; convert them.")
    num_classes = max(2, num_outputs)
    ids = targets.long()
    wrong = ((ids < 0) | (ids >= num_classes)) & (ids != ignore_index)
    if not bool(wrong.any()):
        return
    logits = "one logit" if num_outputs == 1 else f"{num_outputs} outputs"
    raise UserError(
        f"class ids of {logits} go from 0 to {num_classes - 1} ({ignore_index} is ignored), got "
        f"{int(ids[wrong].flatten()[0])}; give the classes ids from 0 on, or the model as many outputs as classes."
    )


def _integers(targets: torch.Tensor) -> bool:
    return not targets.is_floating_point() and not targets.is_complex()


def _all_in_range(ids: torch.Tensor, num_classes: int) -> bool:
    if not ids.numel():
        return True
    least, greatest = ids.aminmax()
    return int(least) >= 0 and int(greatest) < num_classes


def values_are_visible(targets: torch.Tensor) -> bool:
    """Whether values can be read now, and on a GPU without waiting in the middle of a step."""
    if torch.compiler.is_compiling() or type(targets) is not torch.Tensor or targets.is_meta:
        return False
    if torch._C._functorch.is_functorch_wrapped_tensor(targets):
        return False
    return targets.device.type == "cpu" or torch._C._functorch.peek_interpreter_stack() is None
