"""What phi is judged by on the clean data: the task's own loss, another, or a function of the user's."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..errors import UserError, one_of
from ..loss import OBJECTIVES, cross_entropy, squared_error
from ..settings import Settings
from ..types import Kind, TaskLoss
from ..user_code import imported

TASK_LOSSES: dict[str, TaskLoss] = {"classification": cross_entropy, "regression": squared_error}
"""The task's own loss."""


def objective_of(kind: Kind, settings: Settings) -> TaskLoss:
    """The objective of a run, `(outputs, targets) -> [batch]`.

    Args:
        kind: of the targets.
        settings: of the run; without an objective it is the task's own loss.

    Raises:
        UserError: an objective that this kind of target does not have, or a function that cannot be imported.
    """
    name = settings.objective
    if name is None:
        return TASK_LOSSES[kind]
    if ":" in name:
        return partial(_own, imported("objective", name, "outputs and targets"), name)
    one_of(f"--objective for {kind}", name, [*OBJECTIVES[kind], "MODULE:FUNCTION"])
    return OBJECTIVES[kind][name]


def _own(function: Callable[[Any, Any], Any], name: str, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
    """A user's own objective, whose values must be one for each example."""
    losses = function(outputs, targets)
    if not isinstance(losses, torch.Tensor) or losses.shape != targets.shape[:1] or not losses.is_floating_point():
        got = f"{list(losses.shape)} of {losses.dtype}" if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise UserError(
            f"objective {name} must return real numbers [batch], one for each example, got {got} for "
            f"{len(targets)} examples."
        )
    return losses
