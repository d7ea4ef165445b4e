"""What a few-shot method is: what it learns, how a model adapts to a task, and how it is judged."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from ..hypergradient import Adaptation, BilevelRun, Objective, bilevel_gradient
from ..types import Tree
from .episode import Episode


class FewShotMethod(NamedTuple):
    """A few-shot method for one model and one kind of episodes, ready to train.

        tasks    = prepare(episode)                                        once a step
        gradient = grad_phi  mean over tasks of  outer(theta_K(phi), phi, task),   theta_0 = start(phi)

    Args:
        phi: what is learned, as it is at the beginning: a tree of tensors. Its optimiser is the training loop's.
        start: `start(phi) -> theta_0`, which adapts.
        inner: how theta adapts to a task.
        outer: the outer objective of a task while training, `outer(theta, phi, task) -> (scalar, Judged)`.
        test_inner: how theta adapts in evaluation, where that differs.
        predict: `predict(theta, phi, task) -> outputs on the query set` in evaluation, which reads no target of the
            query; theta is adapted. Where omitted, the outputs of `outer`.
        after: `after(phi, run) -> phi`, after phi's own update of each step, for what is carried but not learned by its
            gradient: running statistics of batch norm. `run` is the step's `BilevelRun`.
        outer_part: `outer_part(task, k)`, what `outer` and `predict` see of the task after k inner steps.
        form: of the hypergradient; see `lfl.bilevel_gradient`.
        weights: `weights(step)` of the outer objective after each inner step; None for the last alone.
        form_at: `form_at(step)`, where the form changes in the course of training.
        prepare: makes of episodes what the objectives take as tasks; what a frozen part computes, once.
        transductive: whether the outputs of a query example depend on the other query examples.
    """

    phi: Tree
    start: Callable[[Tree], Tree]
    inner: Adaptation
    outer: Objective
    test_inner: Adaptation | None = None
    predict: Callable[[Tree, Tree, Any], Any] | None = None
    after: Callable[[Tree, BilevelRun], Tree] = lambda phi, run: phi
    outer_part: Callable[[Any, int], Any] | None = None
    form: str | Callable[..., Any] = "mixed"
    weights: Callable[[int], Sequence[float] | None] = lambda step: None
    form_at: Callable[[int], str | Callable[..., Any]] | None = None
    prepare: Callable[[Episode], Tree] = lambda episode: episode
    transductive: bool = False

    def form_of(self, step: int) -> str | Callable[..., Any]:
        """The form of the hypergradient at a step of training."""
        return self.form_at(step) if self.form_at else self.form


def gradient_of(
    method: FewShotMethod,
    phi: Tree,
    episode: Episode,
    step: int,
    *,
    form: str | Callable[..., Any] | None = None,
    tasks_at_once: int | None = None,
) -> tuple[Tree, BilevelRun]:
    """Computes the gradient of what a method learns, on the episodes of one step of training.

    Args:
        method: any.
        phi: what it has learned so far.
        episode: with a leading axis of tasks.
        step: of training, from 0 on.
        form, tasks_at_once: as in `lfl.bilevel_gradient`; the form is the method's own when omitted.

    Returns:
        The gradient, a tree like phi, and the `BilevelRun`, whose `outer_aux` is `Judged`. The step itself is
        `phi, state = update(gradient, state, phi)`, and then `phi = method.after(phi, run)`.
    """
    tasks, weights = method.prepare(episode), method.weights(step)
    return gradient_on(method, phi, tasks, form or method.form_of(step), weights, tasks_at_once)


def gradient_on(
    method: FewShotMethod,
    phi: Tree,
    tasks: Tree,
    form: str | Callable[..., Any],
    weights: Sequence[float] | torch.Tensor | None,
    tasks_at_once: int | None,
) -> tuple[Tree, BilevelRun]:
    """The same on tasks that are prepared, by a form and weights that are known: what a program of a step holds."""
    return bilevel_gradient(
        method.inner,
        method.outer,
        method.start,
        phi,
        tasks,
        form=form,
        weights=weights,
        outer_part=method.outer_part,
        tasks_at_once=tasks_at_once,
    )
