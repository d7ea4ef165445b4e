"""A learned loss with the conventions of `torch.nn`: shapes, reductions, ignored targets, precision."""

from dataclasses import replace

import torch

from ..errors import UserError
from ..loss import IGNORE_INDEX, AnyLearnedLoss, LearnedLoss, Weighted, check_class_ids, class_logits
from ..loss.classes import values_are_visible
from ..loss.handcrafted import same_shape
from ..types import Tensors


def reduced_loss(
    loss_fn: AnyLearnedLoss,
    phi: Tensors,
    outputs: torch.Tensor,
    targets: torch.Tensor,
    *,
    reduction: str = "mean",
    ignore_index: int = IGNORE_INDEX,
) -> torch.Tensor:
    """Computes a learned loss of anything that `nn.CrossEntropyLoss` or `nn.MSELoss` would take.

    It is computed and returned in the wider precision of the outputs and phi, under autocast too.

    Args:
        loss_fn, phi: the learned loss and its parameters.
        outputs: logits `[batch, classes, ...]` or `[classes]`; logits of labels or real values of any shape. One logit
            z of classes, `[batch, 1, ...]` or with class ids `[batch]`, is taken for the logits (0, z), as in training.
        targets: class ids `[batch, ...]`, or class probabilities p `[batch, classes, ...]`, which give the expected
            loss sum_k p_k M_phi(class k), for one logit that of class 1; or labels or real values of the outputs'
            shape.
        reduction: `"none"` gives a loss for each class id, or for each real value as an example with one output;
            `"sum"` is their sum; `"mean"` the mean over examples of M_phi, which is what training descends.
        ignore_index: class id of targets that do not count; `"mean"` leaves them out of sum and number.

    Returns:
        A scalar; with `"none"` the shape of the class ids or of the values.

    Raises:
        UserError: outputs and targets do not fit, or are weighted, or a class id out of range; where its value
            cannot be seen (vmapped, compiled) torch raises its own error, or none.
    """
    if isinstance(targets, Weighted):
        raise UserError(
            'an exported loss takes no weights, got lfl.Weighted; use reduction="none" and weigh its losses.'
        )
    device = outputs.device.type
    known = torch.compiler.is_compiling() or torch.amp.is_autocast_available(device)  # not traced before torch 2.12
    if known and torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return reduced_loss(loss_fn, phi, outputs, targets, reduction=reduction, ignore_index=ignore_index)
    dtype = torch.promote_types(outputs.dtype, next(iter(phi.values())).dtype)
    outputs, phi = outputs.to(dtype), {name: tensor.to(dtype) for name, tensor in phi.items()}
    if loss_fn.kind == "multilabel":
        return _of_labels(loss_fn, phi, outputs, targets, reduction, ignore_index)
    if loss_fn.kind == "regression":
        same_shape(outputs, targets)
        alone = isinstance(loss_fn, LearnedLoss) and loss_fn.base is None
        if reduction == "mean" and not alone:
            return loss_fn(phi, outputs.reshape(outputs.shape or (1,)), targets.reshape(targets.shape or (1,))).mean()
        losses = loss_fn.of_values(phi, outputs, targets)
        summed = isinstance(loss_fn, LearnedLoss) and loss_fn.reduction == "sum"
        batch = outputs.shape[0] if outputs.dim() else 1  # torch.Size.numel would fix the size of a program's batch
        count: int | torch.Tensor = batch if summed else losses.numel()
    else:
        losses, kept = _of_classes(loss_fn, phi, outputs, targets, ignore_index)
        count = losses.numel() if kept is None else kept.sum()
    if reduction == "none":
        return losses
    return losses.sum() / count if reduction == "mean" else losses.sum()


def _of_labels(
    loss_fn: AnyLearnedLoss,
    phi: Tensors,
    outputs: torch.Tensor,
    targets: torch.Tensor,
    reduction: str,
    ignore_index: int,
) -> torch.Tensor:
    """Returns a loss of labels of any shape: each label alone, their sum, or what training descends."""
    loss_fn = replace(loss_fn, ignore_index=ignore_index)
    if reduction == "mean":
        return loss_fn(phi, outputs.reshape(outputs.shape or (1,)), targets.reshape(targets.shape or (1,))).mean()
    same_shape(outputs, targets)
    kept = targets != ignore_index if not targets.is_floating_point() else torch.ones_like(outputs, dtype=torch.bool)
    each = loss_fn(phi, outputs.reshape(-1), torch.where(kept, targets, 0).reshape(-1)).reshape(outputs.shape)
    losses = torch.where(kept, each, 0.0)
    return losses if reduction == "none" else losses.sum()


def _of_classes(
    loss_fn: AnyLearnedLoss, phi: Tensors, outputs: torch.Tensor, targets: torch.Tensor, ignore_index: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns losses `[batch, ...]`, and a mask of those that count; None where all do."""
    if outputs.dim() == 0:
        raise UserError("classification needs logits [batch, classes, ...] or [classes], got a scalar.")
    if outputs.dim() == 1 and targets.shape == outputs.shape and not targets.is_floating_point():
        outputs = outputs[:, None]
    class_dim = outputs.dim() - 1 if loss_fn.layout == "last" else min(1, outputs.dim() - 1)
    logits = outputs.movedim(class_dim, -1)
    shape, rows = logits.shape[:-1], logits.reshape(-1, logits.shape[-1])
    one_logit = not torch.compiler.is_exporting() and rows.shape[1] == 1  # a program is for any number of classes
    if one_logit:
        rows = class_logits(rows)
    if targets.is_floating_point() and targets.shape == outputs.shape:
        share = targets.to(rows.dtype).movedim(class_dim, -1).reshape(len(rows), -1)
        if one_logit:
            share = torch.cat((1 - share, share), 1)
        return loss_fn.expected(phi, rows, share).reshape(shape), None
    if targets.is_floating_point() or targets.shape != shape:
        raise UserError(
            f"logits {list(outputs.shape)} need class ids, integers {list(shape)}, or class probabilities "
            f"{list(outputs.shape)}, got targets {list(targets.shape)} of {targets.dtype}."
        )
    if values_are_visible(targets):
        check_class_ids(targets, outputs.shape[class_dim], ignore_index=ignore_index)
    targets = targets.long()
    kept = targets != ignore_index
    losses = loss_fn.of_ids(phi, rows, torch.where(kept, targets, 0).reshape(-1)).reshape(shape)
    return torch.where(kept, losses, 0.0), kept
