"""A task: three splits, what kind of target they have, and how it is trained by default."""

from dataclasses import dataclass, replace

import torch

from ..data.arrays import Split
from ..types import Kind


@dataclass(frozen=True)
class Defaults:
    """Published settings of a task: steps are counts, rates are per step."""

    steps: int
    inner_lr: float
    batch_size: int = 128
    init_steps: int = 2500
    init_lr: float = 1e-3
    outer_lr: float = 1e-5


@dataclass(frozen=True)
class Task:
    """Data as tensors, with the facts that a model and a loss need.

    Args:
        name: what the task is called.
        kind: `"classification"` (class ids `[n]`) or `"regression"` (real values `[n, width]`).
        train, valid, test: the splits; `valid` was held out of train.
        num_outputs: classes, or width of the targets.
        defaults: steps, rates and batch size unless others are asked for.
    """

    name: str
    kind: Kind
    train: Split
    valid: Split
    test: Split
    num_outputs: int
    defaults: Defaults

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.train.x.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the data live."""
        return self.train.x.device

    def to(self, device: torch.device) -> "Task":
        """The same task with its splits on `device`."""
        return replace(self, train=self.train.to(device), valid=self.valid.to(device), test=self.test.to(device))
