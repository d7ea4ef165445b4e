"""Samples a learned loss as curves for plots: of one output, or of an example against its true class's probability."""

from typing import Any

import torch

from .learned_loss import AnyLearnedLoss, LearnedLoss

NUM_POINTS = 101
REGRESSION_TARGET = 0.5
"""The target of regression curves: the middle of [0, 1], the range of scaled targets."""

MARGIN = 0.01
"""Distance of the true class's probability from 0 and 1, where logarithms are infinite."""

CLASSES = 10
"""Classes of the sampled examples, for a loss that takes any number."""


def axis(loss_fn: AnyLearnedLoss) -> torch.Tensor:
    """Returns the points of a curve: probabilities from 0 to 1, or errors f - y from -1 to 1.

    The probability is that of one output; or of an example's true class, if the loss is sampled against that.
    """
    if loss_fn.kind == "regression":
        return torch.linspace(-1.0, 1.0, NUM_POINTS)
    margin = 0.0 if of_one_output(loss_fn) else MARGIN
    return torch.linspace(margin, 1.0 - margin, NUM_POINTS)


def of_one_output(loss_fn: AnyLearnedLoss) -> bool:
    """Whether a loss is only a mean or sum over outputs of a function of one output."""
    return isinstance(loss_fn, LearnedLoss) and loss_fn.base is None


def sample_curves(loss_fn: AnyLearnedLoss, phi: Any) -> torch.Tensor:
    """Samples the learned loss at the points of `axis`.

    Args:
        loss_fn: the learned loss.
        phi: its parameters.

    Returns:
        Values on the CPU. Classification: `[2, points]`, the loss of one output for y = 1 and for y = 0 against its
        probability. If the loss is not a function of one output, or has a base: `[1, points]`, the loss of an example
        against the probability of its true class, with the rest shared evenly by the other classes; of ten classes, or
        the mean over true classes if the loss is for a fixed number of them. Regression: `[1, points]`, against the
        error.
    """
    points = axis(loss_fn)
    phi = {name: tensor.detach().cpu() for name, tensor in phi.items()}
    if not isinstance(loss_fn, LearnedLoss) or loss_fn.base is not None:
        return _of_examples(loss_fn, phi, points)[None]
    targets, outputs = (
        (torch.tensor([1.0, 0.0]), points)
        if loss_fn.kind != "regression"
        else (torch.tensor([REGRESSION_TARGET]), REGRESSION_TARGET + points)
    )
    along = torch.func.vmap(loss_fn.pointwise, (None, None, 0))
    return torch.func.vmap(along, (None, 0, None))(phi, targets, outputs)


@torch.no_grad()
def _of_examples(loss_fn: AnyLearnedLoss, phi: Any, points: torch.Tensor) -> torch.Tensor:
    if loss_fn.kind == "regression":
        targets = torch.full_like(points, REGRESSION_TARGET)
        return loss_fn.of_values(phi, targets + points, targets)
    only = None if isinstance(loss_fn, LearnedLoss) else loss_fn.num_outputs
    classes = CLASSES if only is None else only
    others = ((1.0 - points) / (classes - 1)).log()[:, None].expand(-1, classes)
    losses = []
    for true in range(1 if only is None else classes):
        logits = others.clone()
        logits[:, true] = points.log()
        losses.append(loss_fn.of_ids(phi, logits, torch.full((len(points),), true)))
    return torch.stack(losses).mean(0)
