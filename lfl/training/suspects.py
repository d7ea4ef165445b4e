"""Which labels or targets a trained model disbelieves."""

from typing import NamedTuple

import torch

from ..data.arrays import Split
from ..errors import UserError
from ..loss import class_logits
from ..types import ApplyFn, Kind, Tensors


class Suspects(NamedTuple):
    """How far a model is from each label or target, in the order of the examples, on the CPU in double precision.

    Args:
        scores: `[n]`, the higher, the likelier the label is wrong.
        rather: what the model would rather have: class ids `[n]`, never the label itself, or real values `[n, width]`.
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
    """Score each example by how likely its label or target is wrong, as a trained model sees it.

        classes        max_{c != y} log p_c - log p_y           log odds of the best other class over the label y
        real values    sqrt(mean_i (f_i - y_i)^2)               distance of the prediction, |f - y| of one output

    A learned loss speaks here through the model that was trained on it. Its own value is no score: what a loss learns is
    where it is steep, and two losses that differ in sign far from the label train alike. On digits its value put the
    wrong labels first in some runs and last in others (docs/suspects.md).

    Args:
        apply_fn, theta, buffers: the model; it is evaluated in evaluation mode.
        split: inputs and the labels or targets that are doubted.
        kind: of the targets.
        chunk: examples a pass.

    Returns:
        The `Suspects`.

    Raises:
        UserError: the model's outputs are not finite, so that nothing can be ranked.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 1.0]])
        >>> found = suspects(lambda theta, buffers, x, training: (x, buffers), {}, {}, Split(logits, torch.tensor([0, 2])),
        ...     "classification")
        >>> found.scores.tolist(), found.rather.tolist(), found.order.tolist()
        ([-2.0, 2.0], [1, 1], [1, 0])

    Source: the log odds are the normalised margin of Northcutt et al. (2021), "Confident learning", on another scale.
    """
    parts = [apply_fn(theta, buffers, x, training=False)[0].cpu().double() for x in torch.split(split.x, chunk)]
    outputs, y = torch.cat(parts), split.y.cpu()
    if not bool(outputs.isfinite().all()):
        raise UserError("the model's outputs on train are not finite, so that no label can be doubted; train it anew.")
    if kind == "regression":
        values = outputs.reshape(y.shape)
        return Suspects((values - y).square().mean(-1).sqrt(), values)
    likely = torch.log_softmax(class_logits(outputs), -1)
    label = likely.gather(1, y[:, None])[:, 0]
    others = likely.masked_fill(y[:, None] == torch.arange(likely.shape[1]), -torch.inf)
    other, rather = others.max(-1)
    return Suspects(other - label, rather, label.exp(), other.exp())
