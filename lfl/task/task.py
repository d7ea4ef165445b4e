"""A task: its splits, the kind of its targets and its default settings; and how it is built from raw rows."""

from dataclasses import dataclass, replace
from typing import TypedDict

import torch

from ..data.augmentation import Augmentation, augmentation_of
from ..data.scaling import Range, Scale, range_of, scale_of
from ..data.splits import Split, digest_of, held_out
from ..data.stored import Stored
from ..errors import UserError
from ..trees import map_tree
from ..types import Kind, Shape
from .defaults import Defaults
from .encoding import Encoding

VALID_FRACTION = 0.1
"""Share of train that becomes valid; and the same once more for eval, if there is one."""

FEWEST_VALID = 5
"""The fewest rows of a user's own valid."""

FEWEST_KEPT = 10
"""The fewest rows that stay in train, whatever the size of valid."""

TEST_FRACTION = 0.2
"""Share of all rows that becomes test, if there is no test partition."""


UNSCALED = Scale(torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64))
"""The scale of inputs that stay as they are."""


@dataclass(frozen=True)
class Task:
    """A learning task: data as tensors, and what a model and a loss need to know about them.

    Args:
        name: name of the task.
        encoding: encoding of raw inputs and targets, with their kind, shape and width.
        train, valid, test: the splits; `valid`, the clean data, was held out of train or is the user's own. Inputs may
            be `Stored`, which are read while a model trains.
        defaults: default steps, rates and batch size.
        augmentation: augmentation of train batches, over the images of `train`; None for none.
        eval: a fourth split, held out of train like `valid` but used by no step; None for none.
        digest: digest of the rows before they were split and scaled; empty if unknown.
        valid_from: where the user's own `valid` was read from; None if it was held out of train.
        rows: index of each example of `train` among the raw rows, from 0, before others were held out; `[n]` on the
            CPU; None if unknown.
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
        """The kind of targets: class ids `[n]`, real values `[n, width]`, or several labels, 0 or 1, `[n, labels]`."""
        return self.encoding.kind

    @property
    def num_outputs(self) -> int:
        """Classes, labels, or width of the targets."""
        return self.encoding.num_outputs

    @property
    def input_shape(self) -> Shape:
        """Shape of one input; of several, a tree of shapes."""
        return self.encoding.input_shape

    @property
    def tokens(self) -> bool:
        """Whether a class is predicted at each place of an input, as in a text: targets are class ids `[n, length]`."""
        return self.encoding.tokens

    @property
    def device(self) -> torch.device:
        """The device of the data."""
        return self.train.y.device

    def to(self, device: torch.device) -> "Task":
        """Moves the data to `device`."""
        augmentation = None if self.augmentation is None else self.augmentation.to(device)
        train = self.train.to(device)
        return replace(
            self,
            train=train if augmentation is None else Split(augmentation.images, train.y),  # without a copy
            valid=self.valid.to(device),
            test=self.test.to(device),
            augmentation=augmentation,
            eval=None if self.eval is None else self.eval.to(device),
        )


class Held(TypedDict, total=False):
    """Options of every task: what is held out of train.

    Args:
        valid_size: rows of valid; 10 % of train when None.
        eval_split: whether a fourth split is held out.
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
    as_given: bool = False,
) -> Task:
    """Holds out valid (and test, and eval), and scales all splits by the rest of train.

    Classes keep their shares in each split if every class has enough rows.

    Args:
        name, kind, num_outputs, defaults: as in `Task`.
        train, test: raw rows; without a test partition 20 % are held out by a fixed shuffle.
        valid: the user's own raw rows; none are held out for it then.
        valid_size, eval_split: as in `Held`.
        pad: black pixels added around train images, which are then augmented by crops and flips; None for no
            augmentation.
        as_given: whether inputs and targets stay as they are; inputs may then be trees.

    Raises:
        UserError: inputs or targets that cannot be scaled, or a `valid_size` that is too large.
    """
    digest = digest_of(train, test) if valid is None else digest_of(train, test, valid)
    whole, rows = train, torch.arange(len(train.y))
    if test is None:
        rows, test = _held_out(kind, whole, rows, TEST_FRACTION)
    if valid is None:
        size = VALID_FRACTION if valid_size is None else _checked_size(name, valid_size, kind, whole.y[rows])
        rows, valid = _held_out(kind, whole, rows, size)
    elif valid_size is not None:
        raise UserError(f"{name}: --valid-size is for clean data split off train, and you give your own; leave it out.")
    others = [valid, test]
    if eval_split:
        rows, held = _held_out(kind, whole, rows, VALID_FRACTION)
        others.append(held)
    splits = [whole.subset(rows), *others]
    targets = [split.y for split in splits]
    try:
        scale = UNSCALED if as_given else scale_of(splits[0].x)
        span = (_unit_range if as_given else range_of)(targets[0]) if kind == "regression" else None
        if span is not None:
            targets = [span(y) for y in targets]
        scaled = [
            Split(split.x if as_given else _after(scale, split.x), y) for split, y in zip(splits, targets, strict=True)
        ]
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    augmentation = None
    if pad is not None:
        black = scale(torch.zeros_like(train.x[:1][:, :, :1, :1]))[0]
        augmentation = augmentation_of(scaled[0].x, pad=pad, fill=black)
        scaled[0] = Split(augmentation.images, scaled[0].y)
    fourth = scaled[3] if eval_split else None
    names = None if kind == "regression" else list(range(num_outputs))
    shape = map_tree(lambda t: tuple(t.shape[1:]), train.pick(slice(1)).x)
    encoding = Encoding(kind, shape, num_outputs, scale, span, names)
    return Task(name, encoding, scaled[0], scaled[1], scaled[2], defaults, augmentation, fourth, digest, rows=rows)


def _after(scale: Scale, x: torch.Tensor | Stored) -> torch.Tensor | Stored:
    """Scales inputs; stored ones when they are read."""
    return x.then(scale.__call__) if isinstance(x, Stored) else scale(x)


def _unit_range(y: torch.Tensor) -> Range:
    """The range of targets `[n, width]` that stay as they are."""
    return Range(torch.zeros(y.shape[1], dtype=torch.float64), torch.ones(y.shape[1], dtype=torch.float64))


def _held_out(kind: Kind, whole: Split, rows: torch.Tensor, size: float) -> tuple[torch.Tensor, Split]:
    """Holds out some of `rows`: returns the indices that stay, and the rows held out."""
    y = whole.y[rows]
    kept, held = held_out(y, size, stratified=_stratifies(kind, y, size))
    return rows[kept], whole.subset(rows[held])


def _checked_size(name: str, valid_size: int, kind: Kind, y: torch.Tensor) -> int:
    """Returns the size if that many rows can be held out, else raises `UserError`."""
    if type(valid_size) is not int or valid_size < 1:
        raise UserError(f"{name}: --valid-size must be a whole number of at least 1, got {valid_size!r}.")
    classes = len(torch.unique(y)) if kind == "classification" else 0
    most = max(0, len(y) - max(FEWEST_KEPT, classes))
    if valid_size > most:
        raise UserError(
            f"{name}: --valid-size is {valid_size}, but train has {len(y)} rows, of which at most {most} can be "
            "split off; give a smaller one."
        )
    return valid_size


def _stratifies(kind: Kind, y: torch.Tensor, size: float) -> bool:
    """Whether classes can keep their shares: each has two rows, and both parts have as many rows as classes."""
    if kind != "classification":
        return False
    counts = torch.unique(y, return_counts=True)[1]
    held = size if isinstance(size, int) else size * len(y)
    return bool(counts.min() >= 2) and len(counts) <= min(held, len(y) - held)
