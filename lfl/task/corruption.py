"""Corruption of train data on purpose, to measure how methods cope: wrong labels, outliers, rare classes."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from ..errors import UserError
from ..randomness import generator
from ..setting import parse_share
from .task import Task


class Corrupted(NamedTuple):
    """A corrupted train split: the rows that are left, and their targets.

    Args:
        rows: indices `[m]` into the train split, ascending, of the rows that are trained on.
        y: their targets, class ids `[m]` or real values `[m, width]`, some of them changed.
        wrong: booleans `[m]`, which targets were changed.
    """

    rows: torch.Tensor
    y: torch.Tensor
    wrong: torch.Tensor


def symmetric(ids: torch.Tensor, num_classes: int, source: torch.Generator) -> torch.Tensor:
    """Replaces each class id by another, all others equally likely."""
    return (ids + torch.randint(1, num_classes, ids.shape, generator=source)) % num_classes


def pair(ids: torch.Tensor, num_classes: int, source: torch.Generator) -> torch.Tensor:
    """Replaces each class id by the next; the last by the first."""
    del source
    return (ids + 1) % num_classes


def uniform(y: torch.Tensor, low: torch.Tensor, high: torch.Tensor, source: torch.Generator) -> torch.Tensor:
    """Replaces each value by a uniform draw from the range of the targets."""
    return low + (high - low) * torch.rand(y.shape, generator=source, dtype=y.dtype)


def shift(y: torch.Tensor, low: torch.Tensor, high: torch.Tensor, source: torch.Generator) -> torch.Tensor:
    """Raises each value by the range of the targets."""
    del source
    return y + (high - low)


LABEL_NOISE: dict[str, Callable[[torch.Tensor, int, torch.Generator], torch.Tensor]] = {
    "symmetric": symmetric,
    "pair": pair,
}
OUTLIERS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]] = {
    "uniform": uniform,
    "shift": shift,
}


def corrupt(
    task: Task,
    *,
    label_noise: str | None = None,
    outliers: str | None = None,
    imbalance: float | None = None,
    seed: int,
) -> Corrupted:
    """Corrupts the train split of a task; valid and test stay as they are.

    round(share n) rows are changed, drawn without replacement; the same for the same seed, on every machine and for
    every method.

    Args:
        task: the task; it is not changed.
        label_noise: `"symmetric:SHARE"` (that share of the labels becomes another class, all equally likely) or
            `"pair:SHARE"` (the next class).
        outliers: `"uniform:SHARE"` (that share of the real targets is drawn anew over the range of train) or
            `"shift:SHARE"` (that share is raised by that range).
        imbalance: R, how many times rarer the last class becomes than the first: class c of C keeps n R^(-c/(C-1))
            examples, at least one, n the number of the rarest class of train. Classes that train lacks stay absent.
            Applied first; labels are changed among the rows that are left.
        seed: seed of the draws.

    Returns:
        The `Corrupted` rows, on the CPU.

    Raises:
        UserError: a corruption for another kind of target, an unknown one, or a value out of range.

    Example:
        >>> from pathlib import Path
        >>> from lfl.task import load_task
        >>> task = load_task("digits", Path("unused"))
        >>> rows, y, wrong = corrupt(task, label_noise="symmetric:0.4", seed=0)
        >>> len(rows), int(wrong.sum())
        (1293, 517)

    Source: symmetric and pair noise as in Han et al. (2018), the long tail as in Cui et al. (2019), section 5.
    """
    classes = task.kind == "classification"
    asked = {"--label-noise": label_noise, "--outliers": outliers, "--imbalance": imbalance}
    if task.tokens and (flags := [flag for flag, given in asked.items() if given is not None]):
        raise UserError(f"{flags[0]} is for examples with one target each, but {task.name} is a text; leave it out.")
    for flag, given, fits in (
        ("--label-noise", label_noise, classes),
        ("--imbalance", imbalance, classes),
        ("--outliers", outliers, task.kind == "regression"),
    ):
        if given is not None and not fits:
            wanted = "real values" if flag == "--outliers" else "classes"
            raise UserError(f"{flag} is for {wanted}, but the targets of {task.name} are not; leave it out.")
    rows = torch.arange(len(task.train.y))
    clean = task.train.y.cpu()
    if imbalance is not None:
        rows = _long_tail(clean, task.num_outputs, imbalance, generator(seed, "imbalance"))
    y = clean[rows]
    wrong = torch.zeros(len(rows), dtype=torch.bool)
    if label_noise is not None:
        kind, share = parse_share("--label-noise", label_noise, list(LABEL_NOISE))
        source = generator(seed, "label noise")
        wrong = _chosen(len(rows), share, source)
        y = y.masked_scatter(wrong, LABEL_NOISE[kind](y[wrong], task.num_outputs, source))
    if outliers is not None:
        kind, share = parse_share("--outliers", outliers, list(OUTLIERS))
        source = generator(seed, "outliers")
        wrong = _chosen(len(rows), share, source)
        changed = OUTLIERS[kind](y[wrong], clean.amin(0), clean.amax(0), source)
        y = y.masked_scatter(wrong[:, None], changed)
    return Corrupted(rows, y, wrong)


def _chosen(count: int, share: float, source: torch.Generator) -> torch.Tensor:
    """Draws booleans `[count]`, `round(share * count)` of them true."""
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=source)[: round(share * count)]] = True
    return chosen


def _long_tail(ids: torch.Tensor, num_classes: int, ratio: float, source: torch.Generator) -> torch.Tensor:
    """Chooses rows so that each class has fewer than the one before; returns their indices, ascending."""
    if not 1.0 <= ratio < float("inf"):
        raise UserError(f"--imbalance must be a finite number of at least 1, got {ratio}.")
    counts = torch.bincount(ids, minlength=num_classes)
    most = int(counts[counts > 0].min())  # train may lack a class, such as an empty one-hot column
    kept = []
    for c in range(num_classes):
        members = (ids == c).nonzero()[:, 0]
        number = max(1, round(most * ratio ** (-c / (num_classes - 1))))
        kept.append(members[torch.randperm(len(members), generator=source)[:number]])
    return torch.cat(kept).sort()[0]
