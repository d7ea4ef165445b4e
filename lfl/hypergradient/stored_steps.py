"""The gradient of a general two-level problem, backwards over stored steps or through all of them; first order."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch

from ..optimiser.optimiser import Linear
from ..trees import map_tree
from ..types import Tree
from .adaptation import (
    Adaptation,
    Objective,
    evaluate,
    first_state,
    inner_step,
    inner_value,
    overlap_free,
    stacked_losses,
    updated,
)
from .bilevel import gradient
from .curvature import gradient_along
from .mixed_mode import Adjoint, real_leaves


class TwoLevel(NamedTuple):
    """A general two-level problem.

        theta_0 = start(phi);   theta_k+1 as in `Adaptation`;   min_phi sum_k weights[k] J(theta_k, phi, task)

    Args:
        inner: the inner level.
        outer: the outer objective, J.
        start: theta_0 as a function of phi.
        weights: of J by the step after which it is taken, 0 for the start; the last step is among them.
        outer_part: `outer_part(task, k)`, what J sees of the task after k steps; the whole task when omitted.
    """

    inner: Adaptation
    outer: Objective
    start: Callable[[Tree], Tree]
    weights: dict[int, Any]
    outer_part: Callable[[Any, int], Any] | None = None

    def first(self, phi: Tree) -> Tree:
        """Theta_0, in memory that forward mode can take."""
        return overlap_free(self.start(phi))

    def inner_value(self, task: Tree, k: int) -> Callable[[Tree, Tree], torch.Tensor]:
        """The inner objective of step k as a function of theta and phi."""
        return lambda theta, phi: inner_value(self.inner, self.start, theta, phi, task, k)[0]

    def weighted(self, k: int, theta: Tree, phi: Tree, task: Tree) -> tuple[torch.Tensor, Tree]:
        """The outer objective after k steps times its weight, and its aux."""
        part = self.outer_part(task, k) if self.outer_part else task
        value, aux = evaluate("outer", self.outer, theta, phi, part)
        return self.weights[k] * value, aux


class TaskRun(NamedTuple):
    """Values of one task: `BilevelRun` without its axis of tasks."""

    outer_loss: torch.Tensor
    inner_losses: torch.Tensor
    outer_aux: Tree
    inner_aux: list[Tree]
    residual: torch.Tensor


def unrolled(problem: TwoLevel, phi: Tree, task: Tree) -> tuple[Tree, TaskRun]:
    """The gradient by reverse mode through all inner steps: the reference that `stored` must equal.

    Memory: the activations of all steps.
    """

    def outer(phi: Tree) -> tuple[torch.Tensor, TaskRun]:
        theta = problem.first(phi)
        state, steps, values = first_state(problem.inner, theta), [], []
        for k in range(problem.inner.num_steps + 1):
            if k in problem.weights:
                value, aux = problem.weighted(k, theta, phi, task)
                values.append(value)
            if k < problem.inner.num_steps:
                steps.append(inner_step(problem.inner, problem.start, theta, phi, state, task, k))
                theta, state = steps[-1].theta, steps[-1].state
        losses, total = stacked_losses(steps, theta), torch.stack(values).sum()
        return total, TaskRun(total, losses, aux, [step.aux for step in steps], torch.zeros_like(total))

    phi_grads, run = torch.func.grad(outer, has_aux=True)(phi)
    return phi_grads, run


class Stored(NamedTuple):
    """Theta and the optimiser's state before a step; its gradient where the update's derivative needs it."""

    theta: Tree
    state: Tree
    grads: Tree | None


def stored(problem: TwoLevel, phi: Tree, task: Tree, *, second_order: bool = True) -> tuple[Tree, TaskRun]:
    """The gradient backwards over stored steps: exact, in the memory of one step's activations.

    With v the adjoint of theta_k+1, from the last step to the first (d: the derivative along a direction of theta_k):

        v      += weights[k+1] grad_theta J(theta_k+1, phi)        phi_bar += weights[k+1] grad_phi J(theta_k+1, phi)
        w       = (d update / d g_k)^T v                           phi_bar += (d update / d phi)^T v         the rate
        v       = (d update / d theta_k)^T v + d grad_theta G [w]  phi_bar += d grad_phi G [w]
        at last                                                    phi_bar += (d theta_0 / d phi)^T v

    Both derivatives along w come from one pass (`gradient_along`). Memory: theta and the optimiser's state of every
    step; the gradient, too, for optimisers that are not linear in it.

    Args:
        problem: objectives, optimiser, start.
        phi: what is learned.
        task: one task.
        second_order: False leaves out both derivatives along w: every gradient of G is taken for a constant.

    Returns:
        The gradient, a tree like phi, and the `TaskRun`.
    """
    inner = problem.inner
    theta = problem.first(phi)
    state, steps, trajectory = first_state(inner, theta), [], []
    needed = not isinstance(inner.optimiser, Linear) or (callable(inner.rate) and not second_order)
    for k in range(inner.num_steps):
        step = inner_step(inner, problem.start, theta, phi, state, task, k)
        trajectory.append(Stored(theta, state, step.grads if needed else None))
        theta, state = step.theta, step.state
        steps.append(step._replace(theta=None, state=None, grads=None))
    losses = stacked_losses(steps, theta)
    total, aux, adjoint = outer_gradient(problem, inner.num_steps, theta, state, phi, task)
    for k in reversed(range(inner.num_steps)):
        before = trajectory.pop()
        adjoint = backward_step(problem, adjoint, before, phi, task, k, second_order=second_order)
        if k in problem.weights:
            value, _, here = outer_gradient(problem, k, before.theta, before.state, phi, task)
            total, adjoint = total + value, map_tree(torch.add, adjoint, here)
    (of_start,) = pulled(problem.first, adjoint.theta, phi)
    run = TaskRun(total, losses, aux, [step.aux for step in steps], torch.zeros_like(total))
    return map_tree(torch.add, adjoint.phi, of_start), run


first_order = partial(stored, second_order=False)
"""The gradient where every gradient of the inner objective is taken for a constant: first-order MAML."""


def outer_gradient(
    problem: TwoLevel, k: int, theta: Tree, state: Tree, phi: Tree, task: Tree
) -> tuple[torch.Tensor, Tree, Adjoint]:
    """The weighted outer objective after k steps, its aux, and its derivatives."""

    def value(both: Any) -> tuple[torch.Tensor, Any]:
        theta, phi = both
        loss, aux = problem.weighted(k, theta, phi, task)
        return loss, (loss, aux)

    (theta_bar, phi_bar), (loss, aux) = gradient(value, (theta, phi))
    return loss, aux, Adjoint(theta_bar, [torch.zeros_like(leaf) for leaf in real_leaves(state)[0]], phi_bar)


def backward_step(
    problem: TwoLevel, adjoint: Adjoint, before: Stored, phi: Tree, task: Tree, k: int, *, second_order: bool
) -> Adjoint:
    """The adjoint before step k from the one after it."""
    inner, (theta, state, grads) = problem.inner, before
    real, rebuild = real_leaves(state)

    def update(grads: Tree, real: list[torch.Tensor], theta: Tree, phi: Tree) -> Any:
        moved, state = updated(inner, grads, rebuild(real), theta, phi, k)
        return moved, real_leaves(state)[0]

    after = adjoint.theta, adjoint.state
    at = map_tree(torch.zeros_like, theta) if grads is None else grads  # any will do for a linear optimiser
    w, state_bar, theta_bar = pulled(lambda grads, real, theta: update(grads, real, theta, phi), after, at, real, theta)
    phi_bar = adjoint.phi
    if second_order:
        grads, (curved, mixed) = gradient_along(problem.inner_value(task, k), theta, phi, w)
        theta_bar, phi_bar = map_tree(torch.add, theta_bar, curved), map_tree(torch.add, phi_bar, mixed)
    if callable(inner.rate):
        (of_rate,) = pulled(lambda phi: update(grads, real, theta, phi), after, phi)
        phi_bar = map_tree(torch.add, phi_bar, of_rate)
    return Adjoint(theta_bar, state_bar, phi_bar)


def pulled(function: Callable[..., Any], cotangent: Tree, *arguments: Tree) -> Any:
    """The vector-Jacobian product of a function, a tuple of a tree for each argument."""
    pull: Any = torch.func.vjp(function, *arguments)[1]
    return pull(cotangent)
