"""The gradient of a general two-level problem at a minimum of the inner objective: implicit MAML."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..errors import UserError
from ..trees import map_tree, norm
from ..types import Tree
from .adaptation import first_state, inner_step, stacked_losses
from .curvature import gradient_along
from .solvers import check, conjugate_gradient, neumann
from .stored_steps import TaskRun, TwoLevel, outer_gradient


def implicit_differentiation(
    solver: str = "cg",
    *,
    num_terms: int = 10,
    tolerance: float = 0.0,
    rate: float = 0.01,
    damping: float = 0.0,
) -> Callable[..., Any]:
    """Makes a form of `lfl.bilevel_gradient` that ignores how theta was reached.

        p       = (H + damping I)^-1 grad_theta J(theta_K)              H = d^2 G / d theta^2 at theta_K
        gradient = grad_phi J(theta_K, phi) - d grad_phi G [p]          d: along p in theta

    With a proximal term lambda/2 |theta - theta_0(phi)|^2 in G (`Adaptation.proximal`) this is implicit MAML: the term
    gives theta_0 the gradient lambda p, and H the share lambda I that makes it positive definite. Without one, theta_0
    has no gradient. Memory does not grow with the number of inner steps. The gradient is exact where grad_theta G = 0.

    Args:
        solver: `"cg"`, conjugate gradient, which needs H + damping I positive definite; or `"neumann"`,
            `p = rate sum_j (I - rate (H + damping I))^j v`.
        num_terms: iterations, or terms of the series; a Hessian-vector product each.
        tolerance: the relative residual |v - (H + damping I) p| / |v| at which conjugate gradient leaves p as it is;
            `BilevelRun.residual` has what was reached.
        rate: of the series; below 2 over the largest curvature.
        damping: added to the curvature.

    Returns:
        A form, to give as `form=`.

    Raises:
        UserError: an unknown solver or a number out of range; when the form is called, a rate that phi gives, weights
            of several steps, or no inner step.

    Example:
        >>> form = implicit_differentiation("cg", num_terms=5)      # then lfl.bilevel_gradient(..., form=form)

    Source: Rajeswaran, Finn, Kakade and Levine (2019), eqs. 6 and 7.
    """
    check("implicit_differentiation", solver, num_terms, rate, damping, tolerance)
    if solver == "cg":
        solve: Callable[..., Tree] = partial(conjugate_gradient, num_terms=num_terms, tolerance=tolerance)
    else:
        solve = partial(neumann, num_terms=num_terms, rate=rate)
    return partial(at_solution, solve=solve, damping=damping)


def at_solution(
    problem: TwoLevel, phi: Tree, task: Tree, *, solve: Callable[..., Tree], damping: float
) -> tuple[Tree, TaskRun]:
    """The form that `implicit_differentiation` makes, with its settings as arguments."""
    inner = problem.inner
    if callable(inner.rate) or len(problem.weights) > 1 or inner.num_steps == 0:
        raise UserError(
            "the implicit form has no gradient of a learned rate or of the steps on the way, and needs an inner step, "
            f"got {inner.num_steps} steps, {len(problem.weights)} of them weighted, and "
            f"{'a function' if callable(inner.rate) else 'no function'} as rate; choose 'mixed' or 'unroll'."
        )
    theta = problem.first(phi)
    state, steps = first_state(inner, theta), []
    for k in range(inner.num_steps):
        step = inner_step(inner, problem.start, theta, phi, state, task, k)
        theta, state = step.theta, step.state
        steps.append(step._replace(theta=None, state=None, grads=None))
    total, aux, adjoint = outer_gradient(problem, inner.num_steps, theta, state, phi, task)

    value = problem.inner_value(task, inner.num_steps - 1)

    def curvature(p: Tree) -> Tree:
        _, (product, _) = gradient_along(lambda theta, _: value(theta, phi), theta, (), p)
        return map_tree(lambda h, p: h + damping * p, product, p)

    p = solve(curvature, adjoint.theta)
    _, (product, mixed) = gradient_along(value, theta, phi, p)
    left = map_tree(lambda v, h, p: v - h - damping * p, adjoint.theta, product, p)
    run = TaskRun(total, stacked_losses(steps, theta), aux, [step.aux for step in steps], _ratio(left, adjoint.theta))
    return map_tree(torch.sub, adjoint.phi, mixed), run


def _ratio(a: Tree, b: Tree) -> torch.Tensor:
    """|a| / |b|, 0 where both are."""
    below = norm(b)
    return norm(a) / torch.where(below == 0.0, 1.0, below)


BY_DEFAULT = implicit_differentiation()
"""The form called `"implicit"`."""
