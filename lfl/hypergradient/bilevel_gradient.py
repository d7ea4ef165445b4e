"""The gradient of a general two-level problem over the tasks of a meta-batch."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from ..errors import UserError, one_of
from ..trees import leaves, map_tree, show_constants
from ..types import Tree
from .adaptation import Adaptation, Objective, checked
from .implicit_differentiation import BY_DEFAULT
from .stored_steps import TaskRun, TwoLevel, first_order, stored, unrolled

FORMS: dict[str, Callable[..., Any]] = {
    "mixed": stored,
    "unroll": unrolled,
    "first-order": first_order,
    "implicit": BY_DEFAULT,
}
"""The forms of the gradient by name."""


class BilevelRun(NamedTuple):
    """Values on the way to a gradient of `lfl.bilevel_gradient`, each with a leading axis of tasks.

    Args:
        outer_loss: `[tasks]`, the weighted sum of outer objectives that is differentiated.
        inner_losses: `[tasks, num_steps]`, the inner objective before each step, its proximal term included.
        outer_aux: what the outer objective returned beside its value after the last step.
        inner_aux: what the inner objective returned, a list of one for each step.
        residual: `[tasks]`, the relative residual that an implicit form reached; 0 for the other forms.
    """

    outer_loss: torch.Tensor
    inner_losses: torch.Tensor
    outer_aux: Tree
    inner_aux: list[Tree]
    residual: torch.Tensor


def bilevel_gradient(
    inner: Adaptation,
    outer: Objective,
    start: Callable[[Any], Any],
    phi: Tree,
    tasks: Tree,
    *,
    form: str | Callable[..., Any] = "mixed",
    weights: Sequence[float] | torch.Tensor | None = None,
    outer_part: Callable[[Any, int], Any] | None = None,
    tasks_at_once: int | None = None,
) -> tuple[Tree, BilevelRun]:
    """Computes the gradient of an objective after adaptation by everything that the adaptation was shaped by.

        theta_0 = start(phi);   theta_k+1 = update(grad_theta G(theta_k, phi, task), theta_k; rate(phi, k))
        gradient = grad_phi  mean over tasks of  J(theta_K(phi), phi, task)

    Args:
        inner: the inner level: objective G, optimiser, number of steps K, rate.
        outer: the outer objective J, `outer(theta, phi, task) -> scalar` or `(scalar, aux)`.
        start: `start(phi) -> theta_0`. `lambda phi: phi["init"]` learns all of it; `lambda phi: theta` none; a head
            that begins with equal rows is `phi["row"].repeat(ways, 1)`.
        phi: what is learned, a tree of tensors of real numbers; shared by the tasks.
        tasks: a tree of tensors with a leading axis of tasks.
        form: `"mixed"`, exact, backwards over the stored steps, in the memory of one step's activations; `"unroll"`,
            exact, by differentiating twice through all steps; `"first-order"`, where each gradient of G is a constant;
            `"implicit"`, or one made by `lfl.implicit_differentiation`, exact at a minimum of G.
        weights: of J after each of the K steps, for losses on the way (MAML++); J after the last step alone when
            omitted. Numbers that are 0 cost nothing; in a tensor they may change without recompiling.
        outer_part: `outer_part(task, k)`, what J sees of the task after k steps, as `Adaptation.part` is for G; the
            whole task when omitted.
        tasks_at_once: tasks that are vmapped together; all of them when omitted. 1 runs one after the other without
            `vmap`, which takes the least memory, and models that cannot be vmapped.

    Returns:
        The gradient, a tree like phi, and a `BilevelRun`. Phi's own step is the caller's:
        `phi, state = update(gradient, state, phi)` with `init, update = lfl.adam(1e-3)`.

    Raises:
        UserError: an objective that returns no scalar; tasks without a leading axis of one size; a form, weights or
            rates that do not fit.

    Example:
        >>> from lfl.optimiser import sgd
        >>> inner = Adaptation(lambda theta, phi, task: (theta - task).square(), sgd(0.25), num_steps=1)
        >>> judge = lambda theta, phi, task: (theta - task).square()
        >>> gradient, run = bilevel_gradient(inner, judge, lambda phi: phi, torch.tensor(1.0), torch.tensor([0.0, 4.0]))
        >>> gradient, run.outer_loss          # theta_1 = (phi + task) / 2
        (tensor(-0.5000), tensor([0.2500, 2.2500]))

    Source: Finn, Abbeel and Levine (2017), Algorithm 1, for MAML; Franceschi et al. (2017), section 3.1, for the
    backward pass over stored steps.
    """
    inner = checked(inner)
    num_tasks = _num_tasks(tasks)
    if not all(isinstance(leaf, torch.Tensor) and leaf.is_floating_point() for leaf in leaves(phi)):
        raise UserError("phi must be a tree of tensors of real numbers alone; what is not learned belongs to the task.")
    if not callable(form):
        one_of("form", form, dict(FORMS))
        form = FORMS[form]
    problem = TwoLevel(inner, outer, start, _weights(inner.num_steps, weights), outer_part)
    of_task = partial(form, problem)
    size = _chunk(tasks_at_once, num_tasks)
    if size == num_tasks > 1:
        grads, run = _vmapped(of_task, phi, tasks)
        return map_tree(lambda g: g.mean(0), grads), _shown(run)
    total, runs = None, []
    for first in range(0, num_tasks, size):
        if size == 1:
            grads, run = of_task(phi, map_tree(lambda t, i=first: t[i], tasks))
            run = map_tree(lambda t: t[None], run)
        else:
            grads, run = _vmapped(of_task, phi, map_tree(lambda t, i=first: t[i : i + size], tasks))
            grads = map_tree(lambda g: g.sum(0), grads)
        total = grads if total is None else map_tree(torch.add, total, grads)
        runs.append(run)
    return map_tree(lambda g: g / num_tasks, total), _shown(map_tree(lambda *parts: torch.cat(parts), *runs))


def _vmapped(of_task: Callable[..., Any], phi: Tree, tasks: Tree) -> tuple[Tree, TaskRun]:
    grads, run = torch.func.vmap(of_task, in_dims=(None, 0))(phi, tasks)
    return grads, run


def _shown(run: TaskRun) -> BilevelRun:
    return BilevelRun(*show_constants(run))


def _num_tasks(tasks: Tree) -> int:
    """The size of the leading axis of the tasks."""
    found = leaves(tasks)
    sizes = {len(leaf) if isinstance(leaf, torch.Tensor) and leaf.dim() else None for leaf in found}
    if len(sizes) != 1 or None in sizes or 0 in sizes:
        got = ", ".join(str(tuple(t.shape)) if isinstance(t, torch.Tensor) else type(t).__name__ for t in found)
        raise UserError(
            "tasks must be a tree of tensors whose first axis is the tasks, of one size of at least 1, got "
            f"{got or 'no tensor'}; torch.stack the tasks' tensors, and give a single task an axis with t[None]."
        )
    (size,) = sizes
    return int(size or 0)


def _weights(num_steps: int, weights: Sequence[float] | torch.Tensor | None) -> dict[int, Any]:
    """The weights of J by the number of steps before it; those that are surely 0 left out, but for the last one."""
    if weights is None:
        return {num_steps: 1.0}
    if len(weights) != num_steps or num_steps == 0:
        raise UserError(f"weights must have one number for each of the {num_steps} inner steps, got {len(weights)}.")
    given = {k: weight for k, weight in enumerate(weights, 1) if isinstance(weight, torch.Tensor) or weight}
    return {num_steps: weights[-1]} | given


def _chunk(tasks_at_once: int | None, num_tasks: int) -> int:
    if tasks_at_once is None:
        return num_tasks
    if not isinstance(tasks_at_once, int) or isinstance(tasks_at_once, bool) or tasks_at_once < 1:
        raise UserError(f"tasks_at_once must be a whole number of at least 1, got {tasks_at_once!r}.")
    return min(tasks_at_once, num_tasks)
