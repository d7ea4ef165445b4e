"""Outputs and targets of any layout as rows: one example, or one position of an example, with its logits."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar

import torch

from ..errors import UserError, one_of
from .weighted import Weighted, spread, without_weight

Layout = Literal["first", "last"]
"""Where the classes are among the dimensions of logits: after the batch, as in torch, or last, as in Hugging Face."""

Loss = TypeVar("Loss")


def as_rows(
    outputs: torch.Tensor, targets: torch.Tensor, layout: Layout | None
) -> tuple[torch.Tensor, torch.Tensor, int | None, torch.Size]:
    """Converts logits and class ids, or class probabilities, to rows.

    Args:
        outputs, targets, layout: as in `lfl.loss.classes.as_classes`, the targets without weight.

    Returns:
        Logits `[rows, classes]`, at least two; class ids `[rows]` or probabilities `[rows, classes]`; the batch if an
        example has several rows, else None; the shape of the losses, `[batch]` or `[batch, ...]`.

    Raises:
        UserError: shapes or dtypes that do not fit; sizes that fit both layouts where none is given.
    """
    if outputs.dim() <= 2:
        logits = class_logits(outputs)
        if logits.dim() == 2 and is_whole(targets) and targets.shape == logits.shape[:1]:
            return logits, targets, None, logits.shape[:1]
        if outputs.dim() and targets.is_floating_point() and targets.shape == outputs.shape:
            return logits, _shares(targets.reshape(len(outputs), -1)), None, logits.shape[:1]
        raise _unfit(outputs, targets)
    dim = _class_dim(outputs, targets, layout)
    shape = outputs.shape[:dim] + outputs.shape[dim:][1:]
    logits = class_logits(outputs.movedim(dim, -1).reshape(-1, outputs.shape[dim]))
    if is_whole(targets):
        return logits, targets.reshape(-1), outputs.shape[0], shape
    shares = targets.movedim(dim, -1).reshape(-1, targets.shape[dim])
    return logits, _shares(shares), outputs.shape[0], shape


def _class_dim(outputs: torch.Tensor, targets: torch.Tensor, layout: Layout | None) -> int:
    first, last = 1, outputs.dim() - 1
    if targets.is_floating_point() and targets.shape == outputs.shape:
        return last if layout == "last" else first
    if not is_whole(targets):
        raise _unfit(outputs, targets)
    fits = {
        name: targets.shape == outputs.shape[:d] + outputs.shape[d:][1:] for name, d in (("first", 1), ("last", last))
    }
    if layout is None and all(fits.values()):
        raise UserError(
            f"with outputs {list(outputs.shape)} and class ids {list(targets.shape)} the classes could be dimension 1 "
            f'or the last one, {last}; say which: lfl.in_layout(loss, "first") or lfl.in_layout(loss, "last").'
        )
    if layout is None and fits["last"]:
        raise UserError(
            f"classification needs outputs [batch, classes, ...] and class ids [batch, ...], as in torch, got "
            f"{list(outputs.shape)} and {list(targets.shape)}; for classes in the last dimension, such as tokens "
            '[batch, length, vocabulary], use lfl.in_layout(loss, "last").'
        )
    if not fits[layout or "first"]:
        raise _unfit(outputs, targets)
    return last if layout == "last" else first


def _unfit(outputs: torch.Tensor, targets: torch.Tensor) -> UserError:
    return UserError(
        f"classification needs outputs [batch, classes] and class ids, integers [batch], got "
        f"{list(outputs.shape)} and {list(targets.shape)} of {targets.dtype}; dense class ids have the outputs' shape "
        "without its classes, soft labels the whole of it; real-valued targets are for regression."
    )


def _shares(targets: torch.Tensor) -> torch.Tensor:
    return torch.cat((1 - targets, targets), 1) if targets.shape[1] == 1 else targets


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


def is_whole(targets: torch.Tensor) -> bool:
    """Whether targets are whole numbers or booleans."""
    return not targets.is_floating_point() and not targets.is_complex()


def in_layout(loss: Loss, layout: Layout) -> Loss:
    """Makes a loss of classes take logits with the classes after the batch, or last.

    Args:
        loss: a learned loss, `lfl.LearnedLoss` or `lfl.ExampleLoss`; or a hand-made one, `loss(outputs, targets) ->
            [batch]`, which is then called with rows `[rows, classes]`, so that it need not know dense targets.
        layout: `"first"`: logits `[batch, classes, ...]`, as in torch; `"last"`: `[batch, ..., classes]`, as the tokens
            of a language model.

    Returns:
        The same loss in that layout.

    Raises:
        UserError: another layout.

    Example:
        >>> from lfl import cross_entropy
        >>> logits, ids = torch.zeros(2, 5, 4), torch.zeros(2, 5, dtype=torch.long)
        >>> in_layout(cross_entropy, "last")(logits, ids)  # tokens [batch, length, vocabulary]
        tensor([1.3863, 1.3863])
    """
    one_of("layout", layout, ["first", "last"])
    if hasattr(loss, "layout"):
        return replace(loss, layout=layout)  # type: ignore[type-var]
    by_rows: Any = partial(_by_rows, loss, layout)  # type: ignore[arg-type]
    return by_rows  # type: ignore[no-any-return]


def _by_rows(loss: Callable[..., torch.Tensor], layout: Layout, outputs: torch.Tensor, targets: Any) -> torch.Tensor:
    y, weight = without_weight(targets)
    logits, rows, batch, shape = as_rows(outputs, y, layout)
    losses = loss(logits, rows if weight is None else Weighted(rows, spread(weight, shape, logits.dtype).reshape(-1)))
    return losses if batch is None else losses.reshape(batch, -1).mean(1)
