"""What a few-shot method is made for: a model, its targets, and how it takes inner steps."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from ..errors import UserError, one_of
from ..hypergradient import Adaptation
from ..loss import TASK_LOSSES
from ..optimiser import Optimiser, sgd
from ..types import Kind, Tensors, Tree
from .batch_norm import EpisodeModel, carried, episode_model


class Judged(NamedTuple):
    """The aux of an outer objective.

    Args:
        outputs: on the query set.
        statistics: of batch norm, to be carried over training; empty unless the protocol is `running`.
    """

    outputs: Any
    statistics: Any = ()


@dataclass(frozen=True, eq=False)
class FewShotProblem:
    """A model to be meta-learned, without a method: what `lfl.fewshot.few_shot_problem` makes.

    Args:
        model: the module as functions of support and query inputs.
        theta: its parameters by name, as they begin.
        head: names of the parameters of its last linear layer.
        kind: kind of targets.
        num_outputs: classes of an episode, or real values of an example.
        inner_steps: steps of adaptation in training.
        inner_lr: their rate.
        weight_decay: of the inner steps.
        optimiser: of the inner steps, with that rate and weight decay.
        steps: of training, which some methods anneal over.
        seed: of what a method draws for itself.
        module: the module itself, for its structure.
    """

    model: EpisodeModel
    theta: Tensors
    head: tuple[str, ...]
    kind: Kind
    num_outputs: int
    inner_steps: int
    inner_lr: float
    weight_decay: float
    optimiser: Optimiser
    steps: int
    seed: int
    module: nn.Module

    def loss(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The task's own loss, a mean over the examples: cross-entropy, or the squared error."""
        return TASK_LOSSES[self.kind](outputs, y).mean()

    def first_phi(self, phi: dict[str, Tree]) -> dict[str, Tree]:
        """Phi with the running statistics of batch norm, where the protocol has some."""
        return phi | ({"statistics": self.model.statistics} if self.model.statistics else {})

    def support_loss(self, theta: Tensors, task: Any) -> torch.Tensor:
        """The loss on the support set."""
        return self.loss(self.model.support(theta, task.x), task.y)

    def query_loss(self, theta: Tensors, task: Any) -> tuple[torch.Tensor, Judged]:
        """The loss on the query set while training, and what an outer objective returns beside it."""
        outputs, statistics = self.model.query(theta, task.x, task.query_x)
        return self.loss(outputs, task.query_y), Judged(outputs, statistics)

    def predicted(self, theta: Tensors, phi: Any, task: Any) -> torch.Tensor:
        """Outputs on the query set in evaluation; the query's targets are not read."""
        return self.model.predict(theta, task.x, task.query_x, phi.get("statistics", []))

    def adaptation(self, objective: Callable[..., Any], **changes: Any) -> Adaptation:
        """The inner level with the problem's optimiser and number of steps."""
        return Adaptation(objective, self.optimiser, self.inner_steps)._replace(**changes)


def few_shot_problem(
    module: nn.Module,
    kind: Kind,
    num_outputs: int,
    *,
    input_shape: tuple[int, ...],
    inner_steps: int = 1,
    inner_lr: float = 0.4,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    batch_norm: str = "batch",
    steps: int = 60_000,
    seed: int = 0,
) -> FewShotProblem:
    """Makes a problem of a module.

    Args:
        module: any module, on its device, in its precision; it is copied, not changed.
        kind: `"classification"` or `"regression"`.
        num_outputs: classes of an episode, or real values of an example.
        input_shape: shape of one input.
        inner_steps: steps of adaptation in training.
        inner_lr, momentum, nesterov, weight_decay: of the inner SGD, which starts afresh for each task.
        batch_norm: a name in `lfl.fewshot.PROTOCOLS`.
        steps: of training.
        seed: of what a method draws for itself.

    Raises:
        UserError: an unknown name, a model without a linear layer, or a setting out of range.

    Example:
        >>> problem = few_shot_problem(nn.Linear(3, 5), "classification", 5, input_shape=(3,))
        >>> problem.head
        ('weight', 'bias')
    """
    one_of("kind", kind, ["classification", "regression"])
    if not isinstance(inner_steps, int) or isinstance(inner_steps, bool) or inner_steps < 0:
        raise UserError(f"inner_steps must be a whole number of at least 0, got {inner_steps!r}; 5 is usual.")
    theta, model = episode_model(module, batch_norm, input_shape)
    optimiser = sgd(inner_lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
    return FewShotProblem(
        model=model,
        theta=theta,
        head=_head(module),
        kind=kind,
        num_outputs=num_outputs,
        inner_steps=inner_steps,
        inner_lr=inner_lr,
        weight_decay=weight_decay,
        optimiser=optimiser,
        steps=steps,
        seed=seed,
        module=module,
    )


def carry_statistics(phi: Any, run: Any) -> Any:
    """Phi after a step of training, with the running statistics of batch norm moved on; a method's `after`."""
    if "statistics" not in phi:
        return phi
    return phi | {"statistics": carried(phi["statistics"], run.outer_aux.statistics)}


def _head(module: nn.Module) -> tuple[str, ...]:
    """Names of the parameters of the last linear layer."""
    layers = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise UserError(
            "a few-shot model needs a linear layer, its head, got a module without one; end it with nn.Linear."
        )
    prefix = f"{layers[-1]}." if layers[-1] else ""
    return tuple(prefix + name for name, _ in module.get_submodule(layers[-1]).named_parameters())
