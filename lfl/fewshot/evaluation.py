"""Judges a few-shot method: adapts to episodes that it has not seen, and measures the error after each step."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import math
from typing import Any, NamedTuple

import torch

from ..errors import UserError
from ..hypergradient.adaptation import first_state, inner_step, overlap_free
from ..loss import error_rate, squared_error
from ..types import Kind, Tree
from .episode import Episodes, SplitName
from .method import FewShotMethod

NORMAL = 1.96
"""Deviations of the mean within which 95 % of a normal distribution lie."""


class Evaluated(NamedTuple):
    """Errors of a method over a list of episodes.

    Args:
        metric: `"error rate"`, or `"mean squared error"`.
        values: `[num_tasks, steps + 1]`, of each episode after 0, 1, ... steps.
        means: of the episodes, after each number of steps.
        half_widths: of the 95 % interval of each mean, 1.96 s / sqrt(n) with the sample deviation s.
        transductive: whether the outputs of a query example depended on the other query examples.
    """

    metric: str
    values: torch.Tensor
    means: list[float]
    half_widths: list[float]
    transductive: bool

    def __str__(self) -> str:
        kind = "transductive" if self.transductive else "inductive"
        shown = f"{self.means[-1]:.4f} +- {self.half_widths[-1]:.4f}"
        after = f"after {len(self.means) - 1} steps, {len(self.values)} episodes"
        return f"{self.metric} {shown} ({after}, {kind})"


def query_error(kind: Kind, outputs: Any, y: torch.Tensor) -> torch.Tensor:
    """The error of one task: the share of wrong classes, or the mean squared error of real values."""
    return (error_rate if kind == "classification" else squared_error)(outputs, y).mean()


def adapted(method: FewShotMethod, phi: Tree, task: Any, steps: int) -> list[Tree]:
    """Adapts to one task: `theta_0`, `theta_1`, ..., `theta_steps`.

    Args:
        method: any.
        phi: what it has learned.
        task: one task, as `method.prepare` makes it, without an axis of tasks. Its query targets are not read.
        steps: inner steps, which may be more than in training.

    Example: see `evaluate`.
    """
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise UserError(f"steps must be a whole number of at least 0, got {steps!r}.")
    theta = overlap_free(method.start(phi))
    inner = method.test_inner or method.inner
    state, thetas = first_state(inner, theta), [theta]
    for k in range(steps):
        step = inner_step(inner, method.start, theta, phi, state, task, k)
        theta, state = step.theta, step.state
        thetas.append(theta)
    return thetas


def query_outputs(method: FewShotMethod, theta: Tree, phi: Tree, task: Any, steps: int) -> Any:
    """Outputs on the query set of one task in evaluation, by parameters that took so many steps."""
    task = method.outer_part(task, steps) if method.outer_part else task
    if method.predict is not None:
        return method.predict(theta, phi, task)
    return getattr(aux := method.outer(theta, phi, task)[1], "outputs", aux)


def evaluate(
    method: FewShotMethod,
    phi: Tree,
    episodes: Episodes,
    split: SplitName = "test",
    *,
    num_tasks: int = 600,
    steps: int | None = None,
    tasks_at_once: int = 50,
) -> Evaluated:
    """Measures the error on the query sets of a split's first episodes after each of 0, 1, ... inner steps.

    Args:
        method: any.
        phi: what it has learned.
        episodes: their source; `valid` and `test` are fixed lists.
        split: which list.
        num_tasks: episodes, the first of the list.
        steps: inner steps; those of training when omitted.
        tasks_at_once: the most that are vmapped together.

    Returns:
        An `Evaluated`.

    Raises:
        UserError: no episodes or a negative number of steps.

    Example:
        >>> found = evaluate(method, phi, episodes, steps=3)  # doctest: +SKIP
        >>> print(found)  # doctest: +SKIP
        error rate 0.0134 +- 0.0015 (after 3 steps, 600 episodes, transductive)
    """
    if not isinstance(num_tasks, int) or num_tasks < 1 or tasks_at_once < 1:
        raise UserError(f"num_tasks and tasks_at_once must be at least 1, got {num_tasks!r} and {tasks_at_once!r}.")
    steps = method.inner.num_steps if steps is None else steps
    size = min(num_tasks, tasks_at_once)

    def of_task(task: Any, y: torch.Tensor) -> torch.Tensor:
        thetas = adapted(method, phi, task, steps)
        outputs = [query_outputs(method, theta, phi, task, k) for k, theta in enumerate(thetas)]
        return torch.stack([query_error(episodes.kind, each, y) for each in outputs])

    found = []
    with torch.no_grad():
        for number in range(math.ceil(num_tasks / size)):
            episode = episodes.draw(split, number, size)
            found.append(torch.func.vmap(of_task)(method.prepare(episode), episode.query_y))
    values = torch.cat(found)[:num_tasks].cpu()
    deviations = values.std(0) if num_tasks > 1 else torch.full_like(values[0], math.nan)
    half_widths = NORMAL * deviations / math.sqrt(num_tasks)
    return Evaluated(
        "error rate" if episodes.kind == "classification" else "mean squared error",
        values,
        values.mean(0).tolist(),
        half_widths.tolist(),
        method.transductive,
    )
