"""Evaluates models while they train, and keeps the model of the best step."""

import math
from functools import partial
from typing import Any, NamedTuple

import torch

from ..data.splits import Split
from ..errors import UserError
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
from ..training.losses import Learned, of_task
from ..trees import map_tree, named, refill
from ..types import Tensors, Tree


class Snapshot(NamedTuple):
    """The part of a training state that a run saves; phi is None where nothing is learned beside the model."""

    theta: Tensors
    buffers: Tensors
    phi: Tensors | None


class Best(NamedTuple):
    """The best step so far.

    Args:
        step: steps of the model that were done.
        score: the number by which steps are compared; the least is the best.
        model: a copy of the model at that step.
    """

    step: int
    score: float
    model: Snapshot

    def tensors(self) -> Tensors:
        """Returns all of it as tensors by name, for a checkpoint."""
        facts = {"step": torch.tensor(self.step), "score": torch.tensor(self.score, dtype=torch.float64)}
        return {f"model{name}": t for name, t in named(self.model).items()} | facts


def snapshot(state: State) -> Snapshot:
    """Returns the part of a state that a run saves, without copying its tensors."""
    return Snapshot(state.theta, state.carry.buffers, state.phi)


def better(best: Best | None, step: int, score: float, state: State) -> Best:
    """Returns the better of the best step so far and a new one: the earlier of equals. NaN is the worst score.

    Args:
        best: the best step so far; None before the first evaluation.
        step, score, state: the new step.
    """
    return better_model(best, step, score, snapshot(state))


def better_model(best: Best | None, step: int, score: float, model: Tree) -> Best:
    """The same of any tree of tensors that a run keeps."""
    score = math.inf if math.isnan(score) else score
    if best is not None and score >= best.score:
        return best
    return Best(step, score, map_tree(_copy, model))


def _copy(leaf: Any) -> Any:
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf  # phi may be None


def best_of(tensors: Tensors, like: Snapshot, where: str) -> Best | None:
    """Reads back the tensors of `Best.tensors`; None where there are none.

    Args:
        tensors: by name.
        like: a model of the same shapes, on the device where training continues.
        where: the file that they were read from, for the error.

    Raises:
        UserError: they belong to another model.
    """
    if not tensors:
        return None
    wanted = {f"model{name}": t for name, t in named(like).items()}
    facts = {"step": torch.tensor(0), "score": torch.tensor(0.0, dtype=torch.float64)}
    if {name: (t.shape, t.dtype) for name, t in tensors.items()} != {
        name: (t.shape, t.dtype) for name, t in (wanted | facts).items()
    }:
        raise UserError(f"{where} has a best step of another model than config.json; it cannot be resumed.")
    model = {name.removeprefix("model"): tensors[name].to(t.device) for name, t in wanted.items()}
    return Best(int(tensors["step"]), float(tensors["score"]), refill(like, model))


class Evaluator:
    """Evaluates training states on the task's splits, of one seed or of several that train together.

    Args:
        task, settings, apply_fn, learned: the task, the model, and what is learned beside it.
        num_seeds: leading dimension of the state's tensors; None where they have none.
    """

    def __init__(
        self, task: Task, settings: Settings, apply_fn: PureModule, learned: Learned, num_seeds: int | None
    ) -> None:
        self.task, self.settings, self.apply_fn, self.learned = task, settings, apply_fn, learned
        self.num_seeds = num_seeds
        self.objective = None if settings.objective is None else objective_of(task.kind, settings)
        self.task_loss = of_task(task, TASK_LOSSES[task.kind])
        self.valid_batch = task.valid.pick(slice(settings.batch_size))

    def per_seed(self, tree: Any) -> list[Any]:
        """Splits a tree of stacked tensors into one for each seed; None, where nothing is learned, is None for each."""
        if self.num_seeds is None or tree is None:
            return [tree] * (self.num_seeds or 1)
        return [map_tree(lambda t, i=i: t[i], tree) for i in range(self.num_seeds)]

    def states(self, state: State) -> list[State]:
        """Splits a state into one for each seed."""
        return list(map(State, self.per_seed(state.theta), self.per_seed(state.phi), self.per_seed(state.carry)))

    def metrics(self, state: State, step: int) -> list[dict[str, float]]:
        """Computes for each seed the metrics of a step: the validation error, and those that its method adds."""
        return [self._metrics_of_one(alone, step) for alone in self.states(state)]

    def final_metrics(self, model: Snapshot, split: Split) -> tuple[float, dict[str, float]]:
        """Computes the error of one seed's model on a split, and the metrics that are reported beside it."""
        outputs, targets = outputs_on(self.apply_fn, model.theta, model.buffers, split)
        numbers = metrics_of(self.task.kind, outputs, targets, tokens=self.task.tokens)
        if self.objective is not None:
            numbers["objective"] = self._mean_objective(outputs, targets)
        return mean_error(outputs, targets, ERRORS[self.task.kind]), numbers

    def score(self, numbers: dict[str, float]) -> float:
        """Returns the metric by which the best step is chosen, the least: the objective where the run has one."""
        return numbers["valid_error" if self.objective is None else "valid_objective"]

    def _mean_objective(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Computed over the whole split at once: an objective need not be a sum over examples."""
        assert self.objective is not None
        with torch.no_grad():
            return float(self.objective(outputs, targets).double().mean())

    def _metrics_of_one(self, state: State, step: int) -> dict[str, float]:
        theta, buffers = state.theta, state.carry.buffers
        error = ERRORS[self.task.kind]
        outputs, targets = outputs_on(self.apply_fn, theta, buffers, self.task.valid)
        numbers = {"valid_error": mean_error(outputs, targets, error)}
        if self.task.tokens:
            nats = mean_error(outputs, targets, TASK_LOSSES[self.task.kind])
            numbers["valid_bits_per_character"] = nats / math.log(2)
        if self.task.eval is not None:
            numbers["eval_error"] = evaluate(self.apply_fn, theta, buffers, self.task.eval, error)
        if self.objective is not None:
            numbers["valid_objective"] = self._mean_objective(outputs, targets)
        alpha = self.settings.inner_lr
        if self.learned.learned_rate is not None:
            alpha = numbers["inner_lr"] = float(self.learned.learned_rate(state.phi))
        if self.learned.learned_loss is not None:
            loss, task_loss = partial(self.learned.loss_fn, state.phi), self.task_loss
            moved = effective_rate(self.apply_fn, theta, buffers, self.valid_batch, loss=loss, task_loss=task_loss)
            rate = alpha * schedule_factor(self.settings.schedule, step, self.settings.steps) * float(moved)
            if math.isfinite(rate):  # it has no value where the task loss's gradient is 0
                numbers["effective_lr"] = rate
        return numbers
