"""What is measured while a run trains, beside the losses of its steps."""

from functools import partial
from typing import Any

import torch

from ..data.splits import Split
from ..method import State
from ..model import PureModule
from ..schedules import schedule_factor
from ..task import Task
from ..training import (
    ERRORS,
    TASK_LOSSES,
    Settings,
    effective_rate,
    evaluate,
    mean_error,
    metrics_of,
    objective_of,
    outputs_on,
)
from ..training.losses import Learned
from ..trees import map_tree
from .best import Snapshot


class Looks:
    """Errors and rates of a state, for one seed or for each of several that train together.

    Args:
        task, settings, apply_fn, learned: what is trained, and what is learned beside it.
        num_seeds: leading dimension of the state's tensors; None where they have none.
    """

    def __init__(
        self, task: Task, settings: Settings, apply_fn: PureModule, learned: Learned, num_seeds: int | None
    ) -> None:
        self.task, self.settings, self.apply_fn, self.learned = task, settings, apply_fn, learned
        self.num_seeds = num_seeds
        self.objective = None if settings.objective is None else objective_of(task.kind, settings)
        self.few = Split(*(t[: settings.batch_size] for t in task.valid))

    def of_each(self, tree: Any) -> list[Any]:
        """The tree of each seed; None, where nothing is learned, is the same for all."""
        if self.num_seeds is None or tree is None:
            return [tree] * (self.num_seeds or 1)
        return [map_tree(lambda t, i=i: t[i], tree) for i in range(self.num_seeds)]

    def states(self, state: State) -> list[State]:
        """The state of each seed."""
        return list(map(State, self.of_each(state.theta), self.of_each(state.phi), self.of_each(state.carry)))

    def error(self, state: State, split: Split) -> float:
        """The error of one seed's model on a split."""
        return evaluate(self.apply_fn, state.theta, state.carry.buffers, split, ERRORS[self.task.kind])

    def measured(self, model: Snapshot, split: Split) -> tuple[float, dict[str, float]]:
        """The error of one seed's model on a split, and what is reported beside it."""
        outputs, targets = outputs_on(self.apply_fn, model.theta, model.buffers, split)
        numbers = metrics_of(self.task.kind, outputs, targets)
        if self.objective is not None:
            numbers["objective"] = self._mean_objective(outputs, targets)
        return mean_error(outputs, targets, ERRORS[self.task.kind]), numbers

    def score(self, numbers: dict[str, float]) -> float:
        """What tells the best look among those of a run: the least, of the objective where there is one."""
        return numbers["valid_error" if self.objective is None else "valid_objective"]

    def _mean_objective(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Over the whole split at once: it need not be a sum over examples."""
        assert self.objective is not None
        with torch.no_grad():
            return float(self.objective(outputs, targets).double().mean())

    def __call__(self, state: State, step: int) -> list[dict[str, float]]:
        """For each seed the validation error, and what else its method makes worth seeing."""
        return [self._one(alone, step) for alone in self.states(state)]

    def _one(self, state: State, step: int) -> dict[str, float]:
        outputs, targets = outputs_on(self.apply_fn, state.theta, state.carry.buffers, self.task.valid)
        numbers = {"valid_error": mean_error(outputs, targets, ERRORS[self.task.kind])}
        if self.task.eval is not None:
            numbers["eval_error"] = self.error(state, self.task.eval)
        if self.objective is not None:
            numbers["valid_objective"] = self._mean_objective(outputs, targets)
        alpha = self.settings.inner_lr
        if self.learned.learned_rate is not None:
            alpha = numbers["inner_lr"] = float(self.learned.learned_rate(state.phi))
        if self.learned.learned_loss is not None:
            loss = partial(self.learned.loss_fn, state.phi)
            own = TASK_LOSSES[self.task.kind]
            moved = effective_rate(self.apply_fn, state.theta, state.carry.buffers, self.few, loss=loss, task_loss=own)
            numbers["effective_lr"] = alpha * schedule_factor(self.settings, step) * float(moved)
        return numbers
