"""Finds the labels or targets that a trained model contradicts."""

from typing import NamedTuple

import torch

from ..data.splits import Split
from ..errors import UserError
from ..loss import class_logits
from ..types import ApplyFn, Kind, Tensors


class Suspects(NamedTuple):
    """The distance of a model from each label or target, in the order of the examples, on the CPU in double precision.

    Args:
        scores: `[n]`, the higher, the likelier the label is wrong.
        rather: the model's own answer: class ids `[n]`, never the label itself, or real values `[n, width]`.
        label_probability, rather_probability: `[n]`, of the label and of `rather`; None for real values.
    """

    scores: torch.Tensor
    rather: torch.Tensor
    label_probability: torch.Tensor | None = None
    rather_probability: torch.Tensor | None = None

    @property
    def order(self) -> torch.Tensor:
        """Numbers of the examples `[n]`, the most suspect first; in their own order where scores are equal."""
        return torch.argsort(self.scores, descending=True, stable=True)


@torch.no_grad()
def suspects(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, kind: Kind, chunk: int = 1000
) -> Suspects:
    """Scores each example by how likely its label or target is wrong, as a trained model sees it.

        classes        max_{c != y} p_c - p_y           from -1 to 1; above 0 the model gives another label than y
        real values    sqrt(mean_i (f_i - y_i)^2)       distance of the prediction f, |f - y| of a single output

    A learned loss speaks here through the model that was trained on it. Its own value is no score: only its slope is
    trained on, and its value may end higher on the labels that it lets go or lower (docs/suspects.md has the areas).

    Args:
        apply_fn, theta, buffers: the model; it is evaluated in evaluation mode.
        split: inputs, and the labels or targets that are checked.
        kind: of the targets.
        chunk: examples in a forward pass.

    Returns:
        The `Suspects`.

    Raises:
        UserError: the model's outputs are not finite, so that nothing can be ranked.

    Example:
        >>> logits = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.7, 0.2]]).log()
        >>> split = Split(logits, torch.tensor([0, 2]))
        >>> found = suspects(lambda theta, buffers, x, training: (x, buffers), {}, {}, split, "classification")
        >>> found.scores, found.rather, found.order
        (tensor([-0.3000,  0.5000], dtype=torch.float64), tensor([1, 1]), tensor([1, 0]))

    Source: of classes, the normalised margin of Northcutt et al. (2021), "Confident learning".
    """
    if kind == "multilabel":
        raise UserError("suspects are found among classes and real values, got several labels; use lfl predict.")
    parts = [apply_fn(theta, buffers, each.x, training=False)[0].cpu().double() for each in split.chunks(chunk)]
    outputs, y = torch.cat(parts), split.y.cpu()
    if not bool(outputs.isfinite().all()):
        raise UserError("the model's outputs on train are not finite, so that no label can be doubted; train it anew.")
    if kind == "regression":
        values = outputs.reshape(y.shape)
        return Suspects((values - y).square().mean(-1).sqrt(), values)
    likely = torch.softmax(class_logits(outputs), -1)
    label = likely.gather(1, y[:, None])[:, 0]
    others = likely.masked_fill(y[:, None] == torch.arange(likely.shape[1]), -1.0)
    other, rather = others.max(-1)
    return Suspects(other - label, rather, label, other)
