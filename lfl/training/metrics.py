"""The error and the metrics of a model on a whole split, and what a step on a learned loss amounts to."""

import math

import torch

from ..data.splits import Split
from ..errors import UserError
from ..loss import IGNORE_INDEX, binary_cross_entropy, class_logits, cross_entropy
from ..trees import leaves
from ..types import ApplyFn, Kind, TaskLoss, Tensors

CHUNK = 1000

TOKENS_AT_ONCE = 8192
"""Tokens in a forward pass, whose outputs are as many as the vocabulary times as many."""


@torch.no_grad()
def evaluate(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, error: TaskLoss, chunk: int = CHUNK
) -> float:
    """Returns the mean error over a split, in evaluation mode (running statistics, no dropout).

    Args:
        apply_fn, theta, buffers: the model.
        split: all its examples count once, but those whose class id is -100 do not.
        error: `error(outputs, targets) -> [batch]`.
        chunk: examples in a forward pass; the result depends on it by rounding alone.

    Returns:
        Error rate from 0 to 1, or mean squared error.

    Raises:
        UserError: no example counts.
    """
    return mean_error(*outputs_on(apply_fn, theta, buffers, split, chunk), error, chunk)


@torch.no_grad()
def outputs_on(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, chunk: int = CHUNK
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the outputs of a model over a split, in evaluation mode, and the targets, of the examples that count.

    Args:
        apply_fn, theta, buffers, split, chunk: as in `evaluate`.

    Returns:
        Outputs `[n, ...]` and targets `[n, ...]`, on the split's device; of tokens `[n * length, classes]` and
        `[n * length]`, each an example.

    Raises:
        UserError: no example counts.
    """
    if split.y.dim() == 1 and not split.y.is_floating_point() and bool((ignored := split.y == IGNORE_INDEX).any()):
        split = split.subset((~ignored).nonzero()[:, 0])
    if not len(split.y):
        raise UserError(
            "an error is a mean over examples, got a split in which no example counts; give it at least one."
        )
    if isinstance(split.x, torch.Tensor) and split.x.dim() == 2 and split.x.shape == split.y.shape:
        chunk = min(chunk, max(1, TOKENS_AT_ONCE // split.y.shape[1]))
    outputs = torch.cat([apply_fn(theta, buffers, part.x, training=False)[0] for part in split.chunks(chunk)])
    if outputs.dim() == 3 and outputs.shape[:2] == split.y.shape:
        return outputs.flatten(0, 1), split.y.flatten()
    return outputs, split.y


@torch.no_grad()
def mean_error(outputs: torch.Tensor, targets: torch.Tensor, error: TaskLoss, chunk: int = CHUNK) -> float:
    """Returns the mean of an error over examples; `error(outputs, targets) -> [batch]` takes `chunk` at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for part, y in zip(torch.split(outputs, chunk), torch.split(targets, chunk), strict=True):
        total += error(part, y).sum().cpu().double()
    return float(total / len(targets))


BINS = 15
"""Of confidence, as is usual for the calibration error (Guo et al. 2017)."""

WORDS = {
    "balanced_error": "balanced error",
    "macro_f1": "macro F1",
    "calibration_error": "calibration error",
    "bits_per_character": "bits per character",
    "negative_log_likelihood": "negative log-likelihood",
    "r2": "R^2",
    "absolute_error": "mean absolute error",
    "micro_f1": "micro F1",
    "subset_error": "examples with a wrong label",
    "objective": "objective",
}
"""Each metric in words, in the order in which they are printed."""


def metrics_of(kind: Kind, outputs: torch.Tensor, targets: torch.Tensor, *, tokens: bool = False) -> dict[str, float]:
    """Returns the usual metrics of a model's outputs on a whole split, by name.

    For classes:
        `balanced_error`: the mean over the true classes of the share of their examples that is classified wrongly.
        `macro_f1`: the mean over classes of the harmonic mean of precision and recall; 1 is best.
        `calibration_error`: see `calibration_error`.
        `negative_log_likelihood`: mean cross-entropy, in nats.
    For the characters of a text, each an example:
        `bits_per_character`: mean cross-entropy in bits, that in nats over log 2; `negative_log_likelihood` in nats.
        `calibration_error`: as above.
    For several labels, each 0 or 1:
        `macro_f1`: the mean over labels of the harmonic mean of precision and recall; `micro_f1`: that of all labels
            together.
        `subset_error`: the share of examples with at least one wrong label.
        `negative_log_likelihood`: mean binary cross-entropy, in nats.
    For real values, in the units of the targets as they are given here (lfl's own tasks: scaled to [0, 1]):
        `r2`: the share of the targets' variance that is explained, the mean over columns; 1 is best.
        `absolute_error`: the mean of |f - y|.

    Args:
        kind: of the targets.
        outputs: logits `[n, classes]`, one logit `[n]` or `[n, 1]`, logits of labels `[n, labels]`, or predictions
            `[n, width]`.
        targets: class ids `[n]`, all in range; or labels or real values of the shape of the outputs.
        tokens: whether the classes are characters of a text.

    Returns:
        Metrics by name; one that has no finite value is left out: all where outputs are not finite, R^2 of fewer than
        two examples.

    Example:
        >>> metrics_of("regression", torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([[1.0], [2.0], [3.0]]))["r2"]
        -1.0

    Source: scikit-learn's `balanced_accuracy_score`, `f1_score`, `r2_score` and `mean_absolute_error`.
    """
    if not bool(torch.isfinite(outputs).all()):
        return {}
    outputs, targets = outputs.detach().cpu().double(), targets.cpu()
    of_kind = {"classification": _of_classes, "regression": _of_values, "multilabel": _of_labels}
    found = _of_tokens(outputs, targets) if tokens else of_kind[kind](outputs, targets)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def calibration_error(probabilities: torch.Tensor, targets: torch.Tensor, bins: int = BINS) -> float:
    """Returns how far a classifier's confidence is from its accuracy (expected calibration error).

        sum_b n_b / n |accuracy_b - confidence_b|        over `bins` bins of equal width of the greatest probability

    Args:
        probabilities: `[n, classes]`.
        targets: class ids `[n]`.
        bins: how many; the b-th holds confidences in (b / bins, (b + 1) / bins].

    Returns:
        From 0 to 1.

    Example:
        >>> calibration_error(torch.tensor([[0.75, 0.25], [0.75, 0.25]]), torch.tensor([0, 1]))
        0.25

    Source: Naeini et al. (2015); Guo et al. (2017), eq. 3.
    """
    confidence, chosen = probabilities.double().max(-1)
    off = (chosen == targets).double() - confidence
    inner_edges = torch.arange(1, bins, dtype=torch.float64) / bins
    summed = torch.zeros(bins, dtype=torch.float64).index_add(0, torch.bucketize(confidence, inner_edges), off)
    return float(summed.abs().sum() / len(targets))


def _of_classes(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    from sklearn.metrics import f1_score, recall_score  # a slow import

    logits = class_logits(outputs)
    true, chosen = targets.numpy(), logits.argmax(-1).numpy()
    there = sorted(set(true.tolist()))
    return {
        # the mean recall of the true classes is the balanced accuracy, without its warning about classes never true
        "balanced_error": 1.0 - float(recall_score(true, chosen, labels=there, average="macro", zero_division=0.0)),
        "macro_f1": float(f1_score(true, chosen, average="macro", zero_division=0.0)),
        "calibration_error": calibration_error(torch.softmax(logits, -1), targets),
        # from logits: log_loss of probabilities takes none below the rounding of 1
        "negative_log_likelihood": float(cross_entropy(logits, targets).mean()),
    }


def _of_tokens(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    nats = float(cross_entropy(outputs, targets).mean())
    return {
        "bits_per_character": nats / math.log(2),
        "negative_log_likelihood": nats,
        "calibration_error": calibration_error(torch.softmax(outputs, -1), targets),
    }


def _of_values(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, r2_score  # a slow import

    predicted, true = (t.double().reshape(len(t), -1).numpy() for t in (outputs, targets))
    found = {"absolute_error": float(mean_absolute_error(true, predicted))}
    return {"r2": float(r2_score(true, predicted))} | found if len(true) > 1 else found


def _of_labels(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    from sklearn.metrics import f1_score  # a slow import

    chosen, true = (outputs > 0).long(), targets.long()
    # label by label: one column of scikit-learn's matrix of labels would be taken for classes
    each = [f1_score(y.numpy(), f.numpy(), zero_division=0.0) for y, f in zip(true.T, chosen.T, strict=True)]
    micro = f1_score(true.flatten().numpy(), chosen.flatten().numpy(), zero_division=0.0)
    return {
        "macro_f1": float(sum(each) / len(each)),
        "micro_f1": float(micro),
        "subset_error": float((chosen != true).any(1).double().mean()),
        "negative_log_likelihood": float(binary_cross_entropy(outputs, true).mean()),
    }


def effective_rate(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, split: Split, *, loss: TaskLoss, task_loss: TaskLoss
) -> torch.Tensor:
    """Returns how far a gradient step on `loss` moves theta along the gradient of `task_loss`.

        <grad loss, grad task_loss> / <grad task_loss, grad task_loss>

    Times the learning rate this is the rate of gradient descent on the task loss that goes as far in its direction;
    what the optimiser does with the gradient is left out.

    Args:
        apply_fn, theta, buffers: the model, in evaluation mode.
        split: examples that the gradients are means over.
        loss, task_loss: `loss(outputs, targets) -> [batch]`.

    Returns:
        A scalar tensor; below zero where the two point apart.
    """

    def gradient(of: TaskLoss) -> torch.Tensor:
        def mean(theta: Tensors) -> torch.Tensor:
            return of(apply_fn(theta, buffers, split.x, training=False)[0], split.y).mean()

        return torch.cat([leaf.flatten() for leaf in leaves(torch.func.grad(mean)(theta))])

    own = gradient(task_loss)
    return gradient(loss) @ own / (own @ own)
