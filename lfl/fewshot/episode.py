"""The tasks of few-shot learning: a support set to adapt to, and a query set to be judged by."""

from typing import Literal, NamedTuple, Protocol

import torch

from ..types import Kind

SplitName = Literal["train", "valid", "test"]


class Episode(NamedTuple):
    """One task, or several with a leading axis of tasks.

    Args:
        x: `[ways * shots, ...]`, support inputs; those of a class follow each other.
        y: `[ways * shots]` classes from 0 to `ways - 1`; or `[shots, outputs]` real values.
        query_x, query_y: of the query set, in the same form.
    """

    x: torch.Tensor
    y: torch.Tensor
    query_x: torch.Tensor
    query_y: torch.Tensor


class Episodes(Protocol):
    """Where episodes are drawn from. What is drawn depends on the split, the step and the index in it alone."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def ways(self) -> int:
        """Classes of an episode; 1 for real values."""
        ...

    @property
    def shots(self) -> int:
        """Support examples of each class."""
        ...

    @property
    def queries(self) -> int:
        """Query examples of each class."""
        ...

    @property
    def input_shape(self) -> tuple[int, ...]: ...

    @property
    def num_outputs(self) -> int:
        """Outputs of a model: `ways`, or the real values of an example."""
        ...

    @property
    def device(self) -> torch.device: ...

    def draw(self, split: SplitName, step: int, num_tasks: int) -> Episode:
        """Draws the episodes of a step, with a leading axis of tasks.

        Those of `train` follow from the run's seed and the step. Those of `valid` and `test` are fixed lists, the same
        for all runs: `draw("test", 0, 600)` are the first 600, `draw("test", 1, 600)` the next.
        """
        ...
