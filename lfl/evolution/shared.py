"""What all candidates of a search share: the model, its optimiser, and the same starts and batches for each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch

from ..data.splits import Split
from ..errors import UserError
from ..loss.symbolic import MOST_NODES
from ..model import PureModule
from ..optimiser import Optimiser
from ..randomness import generator
from ..task import Task
from ..training import ERRORS, Settings, build_functional, build_problem, corrupted_train, is_corrupted, objective_of
from ..training.build import inner_optimiser
from ..trees import leaves
from ..types import Batch, TaskLoss, Tensors
from .protocol import Protocol
from .steps import outputs_on_batch

STORED_BYTES = 2**31
"""Starts and batches are drawn once and kept up to so many bytes; what is beyond is drawn again by each candidate."""


class Start(NamedTuple):
    """What a step of local search works on: a fresh model, its train batches, and the batch of the task loss."""

    theta: Tensors
    train: list[Batch]
    valid: Batch


@dataclass(frozen=True)
class Shared:
    """What all candidates share. They see the same fresh models and the same batches in the same order.

    Args:
        apply_fn, inner, task_loss: the model, its optimiser, and what local search descends.
        error: the metric: the error rate, or the squared error.
        buffers: the model's first buffers.
        theta_0: where partial training starts.
        start: `start(step)`, of local search.
        first_outputs: `first_outputs(step)`, outputs of that start's model on its first train batch; no candidate
            changes them.
        batch: `batch(step)`, of partial training.
        logits, targets: of the rejection test: the outputs of the model at `theta_0` on the first train examples.
        valid: the split that fitness is measured on.
        low, high: the range of real targets in train; 0 and 1 for others.
        noise: `[MOST_NODES]`, what is added to the first weights of a tree, of which it takes the first ones.
    """

    task: Task
    settings: Settings
    protocol: Protocol
    apply_fn: PureModule
    inner: Optimiser
    task_loss: TaskLoss
    error: TaskLoss
    buffers: Tensors
    theta_0: Tensors
    start: Callable[[int], Start]
    first_outputs: Callable[[int], torch.Tensor]
    batch: Callable[[int], Batch]
    logits: torch.Tensor
    targets: torch.Tensor
    valid: Split
    low: float
    high: float
    noise: torch.Tensor


def share(task: Task, settings: Settings, protocol: Protocol) -> Shared:
    """Draws what all candidates share, by the keys of an ordinary run: partial training sees the first batches of a run
    with the same seed, label noise and rate; its schedule is left out.

    Args:
        task: data, on the device to train on.
        settings: of the search: model, optimiser, batch size, seed, corruption; its method and loss are not used.
        protocol: how candidates are evaluated.

    Raises:
        UserError: the model does not fit the task, or fewer train examples than the rejection test has rows.
    """
    if task.tokens:
        raise UserError(f"losses are searched for with examples of one class each, but {task.name} is a text.")
    plain = replace(
        settings,
        method="baseline",
        loss=task.defaults.loss,
        loss_from=None,
        inner_steps=protocol.inner_steps,
        restart_every=1,
        redraw_theta=True,
    )
    _, apply_fn = build_functional(task, plain)
    problem = build_problem(task, plain)
    buffers = dict(apply_fn.buffers)
    kept = _Kept(STORED_BYTES)

    def start(step: int) -> Start:
        first = step * protocol.inner_steps
        train = [problem.batch("train", "offline train", first + k) for k in range(protocol.inner_steps)]
        valid = problem.batch("valid", "offline valid", step) if protocol.objective == "valid" else train[-1]
        theta = problem.init_theta(step)
        assert theta is not None
        return Start(theta, train, valid)

    keep_start = kept.of(start)

    @torch.no_grad()
    def first_outputs(step: int) -> torch.Tensor:
        drawn = keep_start(step)
        return outputs_on_batch(apply_fn, drawn.theta, buffers, drawn.train[0])

    x, targets = _first_rows(task, settings, protocol.filter_rows)
    with torch.no_grad():
        logits: torch.Tensor = apply_fn(problem.theta_0, buffers, x, training=False)[0]
    real = task.kind == "regression"
    dtype = leaves(problem.theta_0)[0].dtype
    noise = torch.randn(MOST_NODES, generator=generator(settings.seed, "first weights"), dtype=dtype)
    return Shared(
        task=task,
        settings=settings,
        protocol=protocol,
        apply_fn=apply_fn,
        inner=inner_optimiser(settings),
        task_loss=objective_of(task.kind, settings),
        error=ERRORS[task.kind],
        buffers=buffers,
        theta_0=problem.theta_0,
        start=keep_start,
        first_outputs=kept.of(first_outputs),
        batch=kept.of(partial(problem.batch, "train", "train")),
        logits=logits,
        targets=targets,
        valid=task.valid,
        low=float(task.train.y.min()) if real else 0.0,
        high=float(task.train.y.max()) if real else 1.0,
        noise=(protocol.weight_noise if protocol.local_steps else 0.0) * noise.to(task.device),
    )


def _first_rows(task: Task, settings: Settings, count: int) -> tuple[Any, torch.Tensor]:
    """The first train examples, with the targets that a run trains on."""
    if not is_corrupted(settings):
        found = task.train.pick(slice(count))
    else:
        changed = corrupted_train(task, settings, settings.seed)
        rows, y = (t[:count].to(task.device) for t in (changed.rows, changed.y))
        found = Split(task.train.pick(rows).x, y)
    if len(found.y) < count:
        raise UserError(
            f"the rejection test takes {count} train examples, but there are {len(found.y)}; lower filter_rows."
        )
    return found.x, found.y


class _Kept:
    """Remembers what pure functions of the step returned, until a number of bytes is used up."""

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes

    def of(self, draw: Callable[[int], Any]) -> Callable[[int], Any]:
        """Returns `draw` with a memory; its results must not be written to."""
        memory: dict[int, Any] = {}

        def remembered(step: int) -> Any:
            if step in memory:
                return memory[step]
            drawn = draw(step)
            size = sum(t.numel() * t.element_size() for t in leaves(drawn) if isinstance(t, torch.Tensor))
            if size <= self.left:
                self.left -= size
                memory[step] = drawn
            return drawn

        return remembered
