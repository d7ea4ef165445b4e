"""Logits and class ids: checks that they fit, which examples count, and one logit as two."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import Any, NamedTuple

import torch

from ..errors import UserError
from .rows import Layout, as_rows, is_whole
from .weighted import check_weight, factors, spread, without_weight

IGNORE_INDEX = -100
"""The class id of an example that is ignored, as in torch."""

MOST_OFF = 0.01
"""How far the sum of soft labels may be from 1: half precision."""


class Classes(NamedTuple):
    """Checked logits and class ids, a row for each example or for each of its positions.

    Args:
        logits: `[rows, classes]`, at least two of them.
        ids: class ids `[rows]`, int64, all in range; 0 for ignored rows, and for soft labels.
        counted: booleans `[rows]`, false for ignored rows; None if no row is known to be ignored.
        weights: factors `[rows]` on the losses that make their mean the mean over counted rows, weighted where the
            targets are; None for 1.
        shares: soft labels, class probabilities `[rows, classes]`; None for class ids.
        batch: the number of examples if each has several rows, one after the other; None for one row each.
    """

    logits: torch.Tensor
    ids: torch.Tensor
    counted: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    shares: torch.Tensor | None = None
    batch: int | None = None

    @property
    def one_hot(self) -> torch.Tensor:
        """Targets as booleans `[rows, classes]`; `F.one_hot` does not run under the transforms."""
        return self.ids[:, None] == torch.arange(self.logits.shape[1], device=self.ids.device)

    def over_counted(self, losses: torch.Tensor) -> torch.Tensor:
        """Reduces losses `[rows]` to `[batch]`: the mean over an example's rows of `scaled` losses."""
        return self.of_examples(self.scaled(losses))

    def scaled(self, losses: torch.Tensor) -> torch.Tensor:
        """Sets losses `[rows]` of ignored rows to 0, and scales the others so that the mean is the mean over them.

            rows / counted loss        so that        1/rows sum = 1/counted sum over those that count

        If no row is ignored the losses are unchanged; if all are, the mean is NaN, as in torch.
        """
        if self.counted is None or self.weights is None:
            return losses
        return torch.where(self.counted, losses, 0.0) * self.weights.to(losses.dtype)

    def of_examples(self, losses: torch.Tensor) -> torch.Tensor:
        """Reduces losses `[rows]` to their mean over the rows of each example, `[batch]`."""
        return losses if self.batch is None else losses.reshape(self.batch, -1).mean(1)


def as_classes(
    outputs: torch.Tensor,
    targets: Any,
    ignore_index: int = IGNORE_INDEX,
    *,
    layout: Layout | None = None,
    soft: str | None = None,
) -> Classes:
    """Converts outputs and targets to logits and class ids, and checks them.

    Args:
        outputs: logits `[batch, classes]` or `[batch, classes, ...]`, as in torch; with the layout `"last"`
            `[batch, ..., classes]`. One logit `[batch]`, `[batch, 1]` or `[batch, 1, ...]` as in `class_logits`.
        targets: class ids `[batch]` or `[batch, ...]`, integers; 0 or 1 for one logit; or soft labels, probabilities of
            the outputs' shape. Either may be `Weighted`.
        ignore_index: class id of ignored examples or positions.
        layout: where the classes are: `"first"`, after the batch; `"last"`; None is `"first"`, and an error where the
            sizes would fit both.
        soft: why the loss cannot take soft labels; None if it can.

    Returns:
        The `Classes`. A class id out of range raises an error if its value can be read: in an eager program, and on a
        GPU outside transforms. Elsewhere (vmapped, compiled) its loss is NaN.

    Raises:
        UserError: other shapes or dtypes, a class id out of range, soft labels that are no probabilities.
    """
    y, weight = without_weight(targets)
    logits, rows, batch, shape = as_rows(outputs, y, layout)
    shown = values_are_visible(y)
    if weight is not None:
        if shown and values_are_visible(weight):
            check_weight(weight)
        weight = spread(weight, shape, logits.dtype).reshape(-1)
    if rows.dim() == 2:
        if soft is not None:
            raise UserError(f"{soft}, got probabilities {list(y.shape)}; give class ids.")
        return _soft_classes(logits, rows, weight, batch, shown)
    ids, num_classes = rows.long(), logits.shape[1]
    if shown and weight is None:
        if not 0 <= ignore_index < num_classes and _all_in_range(ids, num_classes):
            return Classes(logits, ids, batch=batch)
        check_class_ids(y, _num_outputs(outputs, ids, num_classes), ignore_index=ignore_index)
    counted = ids != ignore_index
    if weight is not None:
        counted = counted & (weight != 0)
        if shown and values_are_visible(weight):
            num_outputs = _num_outputs(outputs, ids, num_classes)
            check_class_ids(torch.where(counted, ids, 0), num_outputs, ignore_index=ignore_index)
    known = (ids >= 0) & (ids < num_classes)
    if weight is None:
        factor = ids.shape[0] / counted.sum().to(torch.promote_types(logits.dtype, torch.float32))
    else:
        factor = factors(torch.where(counted, weight, 0.0))
    weights = torch.where(known | ~counted, factor, torch.nan)
    return Classes(logits, torch.where(known & counted, ids, 0), counted, weights, batch=batch)


def _num_outputs(outputs: torch.Tensor, ids: torch.Tensor, num_classes: int) -> int:
    """Outputs of an example; a branch on sizes, which a program that is exported must not meet."""
    return outputs.numel() // max(1, len(ids)) if num_classes == 2 else num_classes  # one logit has two classes


def _soft_classes(
    logits: torch.Tensor, shares: torch.Tensor, weight: torch.Tensor | None, batch: int | None, shown: bool
) -> Classes:
    counted = None if weight is None else weight != 0
    if counted is not None:
        shares = torch.where(counted[:, None], shares, 1 / shares.shape[1])
    if shown and not torch._C._functorch.is_functorch_wrapped_tensor(shares):
        check_shares(shares)
    ids = torch.zeros(logits.shape[:1], dtype=torch.long, device=logits.device)
    return Classes(logits, ids, counted, None if weight is None else factors(weight), shares.to(logits.dtype), batch)


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
    if not is_whole(targets):
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


def check_shares(shares: torch.Tensor) -> None:
    """Raises `UserError` unless rows `[rows, classes]` are probabilities: at least 0, with a sum of 1 (to 1 %)."""
    total = shares.detach().float().sum(1)
    off = ~((total - 1).abs() <= MOST_OFF) | (shares.detach().amin(1) < 0)
    if bool(off.any()):
        row = [round(float(p), 4) for p in shares[off][0][:5]]
        raise UserError(
            f"soft labels are class probabilities, at least 0 and with a sum of 1, got a row that starts with {row}; "
            "divide by its sum, use the kind multilabel for independent labels, or regression for real values."
        )


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
