"""A task: its splits, what kind of target they have, and how it is trained by default."""

from dataclasses import dataclass, replace

import torch

from ..data.arrays import Split
from ..data.augment import Augmentation
from ..types import Kind
from .encoding import Encoding


@dataclass(frozen=True)
class Defaults:
    """Published settings of a task: steps are counts, rates are per step."""

    steps: int
    inner_lr: float
    batch_size: int = 128
    offline_steps: int = 2500
    restart_every: int = 1
    offline_lr: float = 1e-3
    outer_lr: float = 1e-5
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    theta_init: str = "xavier"
    loss: str = "cross-entropy"


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
