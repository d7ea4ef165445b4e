"""The losses of a run: what the model descends, and what is measured on the clean data to learn it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

from ..catalogue import METHODS, OWN_LOSSES
from ..errors import UserError, one_of
from ..loss import (
    HANDCRAFTED,
    REPRESENTATIONS,
    TASK_LOSSES,
    AnyLearnedLoss,
    base_loss,
    draw_loss,
    in_layout,
    is_formula,
    objective_named,
)
from ..randomness import generator
from ..settings import Settings
from ..task import Task
from ..types import Kind, LossFn, TaskLoss, Tensors
from ..user_code import imported, is_own

RATE = "inner_lr"
"""The entry of phi that is the learning rate."""


class Learned(NamedTuple):
    """What a run learns beside the model: phi, and how it is used.

    Args:
        phi_0: the first phi; None where nothing is learned.
        loss_fn: what theta descends, `loss_fn(phi, outputs, targets) -> [batch]`.
        learned_loss: the same where it is learned; else None.
        learned_rate: `learned_rate(phi)`, theta's rate; None where it is not learned.
    """

    phi_0: Tensors | None
    loss_fn: LossFn
    learned_loss: AnyLearnedLoss | None
    learned_rate: Callable[[Any], torch.Tensor] | None


def learned(task: Task, settings: Settings, seed: int) -> Learned:
    """Draws the first phi of a method for one seed, and returns the losses made with it.

    Raises:
        UserError: a loss that the method or the kind of target does not have, or a user's own that is faulty.
    """
    method = METHODS[settings.method]
    phi: Tensors = {}
    learned_loss: AnyLearnedLoss | None = None
    if method.learns_loss:
        _check_name(f"--loss of {settings.method}", settings.loss, REPRESENTATIONS)
        if settings.base is not None:
            _check_name(f"--base for {task.kind}", settings.base, HANDCRAFTED[task.kind])
        phi, learned_loss = draw_loss(
            settings.loss,
            task.kind,
            num_outputs=task.num_outputs,
            base=settings.base,
            generator=generator(seed, "phi_0"),
        )
        if task.tokens:
            learned_loss = in_layout(learned_loss, "last")
    else:
        _check_name(f"--loss of {settings.method} for {task.kind}", settings.loss, HANDCRAFTED[task.kind])
    if method.learns_rate:
        phi = {**phi, RATE: torch.tensor(settings.inner_lr)}
    return Learned(
        phi_0=phi or None,
        loss_fn=learned_loss or _handcrafted(task, settings),
        learned_loss=learned_loss,
        learned_rate=rate_of if method.learns_rate else None,
    )


def rate_of(phi: Tensors) -> torch.Tensor:
    """Returns the learning rate that phi holds."""
    return phi[RATE]


def _check_name(what: str, name: str, known: Mapping[str, object]) -> None:
    if not is_own(name) and not is_formula(name):
        one_of(what, name, [*known, *OWN_LOSSES])


def _handcrafted(task: Task, settings: Settings) -> LossFn:
    loss = of_task(task, base_loss(task.kind, settings.loss, num_outputs=task.num_outputs))

    def loss_fn(phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        del phi
        return loss(outputs, targets)

    return loss_fn


def of_task(task: Task, loss: TaskLoss) -> TaskLoss:
    """Returns a hand-made loss for the outputs of a task: of tokens they are `[batch, length, classes]`."""
    return in_layout(loss, "last") if task.tokens else loss


def objective_of(kind: Kind, settings: Settings) -> TaskLoss:
    """Returns the objective of a run, `(outputs, targets) -> [batch]`; each of several tokens is an example.

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
    return objective_named(kind, name, "--objective")


def _own(function: Callable[[Any, Any], Any], name: str, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
    """Calls a user's own objective, and checks that its values are one for each example."""
    losses = function(outputs, targets)
    if not isinstance(losses, torch.Tensor) or losses.shape != targets.shape[:1] or not losses.is_floating_point():
        got = f"{list(losses.shape)} of {losses.dtype}" if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise UserError(
            f"objective {name} must return real numbers [batch], one for each example, got {got} for "
            f"{len(targets)} examples."
        )
    return losses
