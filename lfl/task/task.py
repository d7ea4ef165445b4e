"""A task: its splits, the kind of its targets and its defaults; and how one is built from raw rows."""

from dataclasses import dataclass, replace
from typing import TypedDict

import torch

from ..data.augmentation import Augmentation, augmentation_of
from ..data.scaling import range_of, scale_of
from ..data.splits import Split, digest_of, held_out
from ..errors import UserError
from ..types import Kind
from .defaults import Defaults
from .encoding import Encoding

VALID_FRACTION = 0.1
"""Of train, for valid; and once more for eval where it is asked for."""

FEWEST_VALID = 5
"""Rows of a user's own valid."""

FEWEST_KEPT = 10
"""Rows that stay in train, whatever size of valid is asked for."""

TEST_FRACTION = 0.2
"""Of all rows, where there is no test partition."""


@dataclass(frozen=True)
class Task:
    """Data as tensors, with the facts that a model and a loss need.

    Args:
        name: what the task is called.
        encoding: of raw inputs and targets, with the kind and size of both.
        train, valid, test: the splits; `valid`, the clean data, was held out of train or is the user's own.
        defaults: steps, rates and batch size unless others are asked for.
        augmentation: of train batches, over the images of `train`; None for none.
        eval: a fourth split, held out of train like `valid` but seen by no step, where one was asked for.
        digest: of the rows before they were split and scaled; empty where it is not known.
        valid_from: what the user's own `valid` was read from, in words; None where it was held out of train.
        rows: of each example of `train`, its number among the rows that were given, from 0, before others were held
            out, `[n]` on the CPU; None where it is not known.
    """

    name: str
    encoding: Encoding
    train: Split
    valid: Split
    test: Split
    defaults: Defaults
    augmentation: Augmentation | None = None
    eval: Split | None = None
    digest: str = ""
    valid_from: str | None = None
    rows: torch.Tensor | None = None

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name."""
        named = {"train": self.train, "valid": self.valid, "test": self.test}
        return named if self.eval is None else named | {"eval": self.eval}

    @property
    def kind(self) -> Kind:
        """`"classification"` (class ids `[n]`) or `"regression"` (real values `[n, width]`)."""
        return self.encoding.kind

    @property
    def num_outputs(self) -> int:
        """Classes, or width of the targets."""
        return self.encoding.num_outputs

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.encoding.input_shape

    @property
    def device(self) -> torch.device:
        """Where the data live."""
        return self.train.x.device

    def to(self, device: torch.device) -> "Task":
        """The same task with its data on `device`."""
        augmentation = None if self.augmentation is None else self.augmentation.to(device)
        x = self.train.x.to(device) if augmentation is None else augmentation.images  # a view, not a copy
        return replace(
            self,
            train=Split(x, self.train.y.to(device)),
            valid=self.valid.to(device),
            test=self.test.to(device),
            augmentation=augmentation,
            eval=None if self.eval is None else self.eval.to(device),
        )


class Held(TypedDict, total=False):
    """What is held out of train, beside what every task holds out.

    Args:
        valid_size: rows of valid; 10 % of train when None.
        eval_split: whether there is a fourth split.
    """

    valid_size: int | None
    eval_split: bool


def build_task(
    name: str,
    kind: Kind,
    train: Split,
    test: Split | None,
    num_outputs: int,
    defaults: Defaults,
    *,
    valid: Split | None = None,
    valid_size: int | None = None,
    eval_split: bool = False,
    pad: int | None = None,
) -> Task:
    """Hold out valid (and test, and eval), and scale by the statistics of what is left of train.

    Classes keep their shares in each split where every class has rows enough.

    Args:
        name, kind, num_outputs, defaults: those of the task.
        train, test: raw rows; without a test partition 20 % are held out by a fixed shuffle.
        valid: raw rows of the user's own, so that none are held out for it.
        valid_size, eval_split: as in `Held`.
        pad: augments train images by flips and by crops from so many pixels of black around; None for no augmentation.

    Raises:
        UserError: inputs or targets that cannot be scaled, or a `valid_size` that cannot be had.
    """
    digest = digest_of(train, test) if valid is None else digest_of(train, test, valid)
    whole, rows = train, torch.arange(len(train.y))
    if test is None:
        rows, test = _held_out(kind, whole, rows, TEST_FRACTION)
    if valid is None:
        size = VALID_FRACTION if valid_size is None else _checked_size(name, valid_size, kind, whole.y[rows])
        rows, valid = _held_out(kind, whole, rows, size)
    elif valid_size is not None:
        raise UserError(f"{name}: --valid-size is for clean data split off train, but you give your own; leave it out.")
    others = [valid, test]
    if eval_split:
        rows, held = _held_out(kind, whole, rows, VALID_FRACTION)
        others.append(held)
    splits = [Split(whole.x[rows], whole.y[rows]), *others]
    targets = [split.y for split in splits]
    try:
        scale = scale_of(splits[0].x)
        span = range_of(targets[0]) if kind == "regression" else None
        if span is not None:
            targets = [span(y) for y in targets]
        scaled = [Split(scale(split.x), y) for split, y in zip(splits, targets, strict=True)]
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    augmentation = None
    if pad is not None:
        black = scale(torch.zeros_like(train.x[:1, :, :1, :1]))[0]
        augmentation = augmentation_of(scaled[0].x, pad=pad, fill=black)
        scaled[0] = Split(augmentation.images, scaled[0].y)
    fourth = scaled[3] if eval_split else None
    names = None if kind == "regression" else list(range(num_outputs))
    encoding = Encoding(kind, tuple(train.x.shape[1:]), num_outputs, scale, span, names)
    return Task(name, encoding, scaled[0], scaled[1], scaled[2], defaults, augmentation, fourth, digest, rows=rows)


def _held_out(kind: Kind, whole: Split, rows: torch.Tensor, size: float) -> tuple[torch.Tensor, Split]:
    """Of some rows of all: the numbers of those that stay, and the others themselves."""
    y = whole.y[rows]
    kept, held = held_out(y, size, stratified=_stratifies(kind, y, size))
    return rows[kept], Split(whole.x[rows[held]], whole.y[rows[held]])


def _checked_size(name: str, valid_size: int, kind: Kind, y: torch.Tensor) -> int:
    """The size, where that many rows can be held out; `UserError` where not."""
    if type(valid_size) is not int or valid_size < 1:
        raise UserError(f"{name}: --valid-size must be a whole number of at least 1, but got {valid_size!r}.")
    classes = 0 if kind == "regression" else len(torch.unique(y))
    most = max(0, len(y) - max(FEWEST_KEPT, classes))
    if valid_size > most:
        raise UserError(
            f"{name}: --valid-size is {valid_size}, but train has {len(y)} rows, of which at most {most} can be "
            "split off; give a smaller one."
        )
    return valid_size


def _stratifies(kind: Kind, y: torch.Tensor, size: float) -> bool:
    """Whether every class can keep its share: it takes two rows of each, and a row of each for both parts."""
    if kind == "regression":
        return False
    counts = torch.unique(y, return_counts=True)[1]
    held = size if isinstance(size, int) else size * len(y)
    return bool(counts.min() >= 2) and len(counts) <= min(held, len(y) - held)
