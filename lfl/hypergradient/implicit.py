"""The hypergradient at a minimum of the learned loss, by the implicit function theorem: an approximation elsewhere."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch

from ..errors import UserError, one_of
from ..trees import map_tree, norm
from ..types import Batch, Tensors, Tree
from .bilevel import Bilevel, Hypergradient, InnerRun, base_pass, forward
from .directional import forward_mode
from .mixed_mode import inner_step, outer_gradient, through_loss

SOLVERS = ("neumann", "cg")


def implicit(
    solver: str = "neumann", *, num_terms: int = 10, rate: float = 0.01, damping: float = 0.0
) -> Hypergradient:
    """Makes a form of the hypergradient that ignores how theta was reached.

        p = (H + damping I)^-1 v        H = d^2 M_phi / d theta^2 on the last train batch, v = grad_theta L_T
        L_phi = - grad_phi < dM_phi/d(out), J_f p >

    Its memory does not grow with the number of inner steps, and it accounts for more of them than are taken; but it is
    exact only where grad_theta M_phi = 0, and a learning rate has no gradient there.

    Args:
        solver: `"neumann"`, `p = rate sum_j (I - rate (H + damping I))^j v`, which equals differentiating through
            `num_terms` steps of gradient descent at the minimum; or `"cg"`, conjugate gradient, which needs
            H + damping I positive definite.
        num_terms: terms of the series, or iterations; a Hessian-vector product each.
        rate: of the series; below 2 over the largest curvature.
        damping: added to the curvature.

    Returns:
        A form with the arguments of `unroll`, to give as `hypergradient=`. It takes whole batches: no
        `meta_batch_size`.

    Raises:
        UserError: an unknown solver or a number out of range; when the form is called, a phi that holds the rate.

    Example:
        >>> form = implicit("cg", num_terms=5)        # then lfl.meta_step(..., hypergradient=form)

    Source: Lorraine, Vicol and Duvenaud (2020), Algorithms 2 and 3.
    """
    one_of("solver", solver, list(SOLVERS))
    if not isinstance(num_terms, int) or num_terms < 1:
        raise UserError(f"implicit needs a whole number num_terms >= 1, got {num_terms!r}; give 10, for instance.")
    for name, value, least in (("rate", rate, "above 0"), ("damping", damping, "of at least 0")):
        if not math.isfinite(value) or value < 0.0 or (name == "rate" and value == 0.0):
            raise UserError(f"implicit needs a finite {name} {least}, got {value}.")
    return partial(at_minimum, solver=solver, num_terms=num_terms, rate=rate, damping=damping)


def at_minimum(
    problem: Bilevel,
    theta: Tensors,
    phi: Tree,
    batches_tr: Sequence[Batch],
    batch_val: Batch,
    inner_state: Tree,
    buffers: Tensors,
    *,
    solver: str,
    num_terms: int,
    rate: float,
    damping: float,
) -> tuple[Tree, InnerRun]:
    """The form that `implicit` makes, with its settings as arguments."""
    if callable(problem.inner_lr):
        raise UserError(
            "hypergradient 'implicit' has no gradient of a learning rate, since no step is taken at a minimum; choose "
            "'unroll' or 'mixed'."
        )
    for batch in batches_tr:
        theta, inner_state, base = inner_step(problem, theta, phi, inner_state, buffers, batch)
        buffers = base.buffers
    outer_loss, adjoint = outer_gradient(problem, theta, phi, inner_state, buffers, batch_val)

    def gradient_of(theta: Tensors) -> Tensors:
        return base_pass(problem, theta, phi, buffers, batch).grads

    def curvature(p: Tensors) -> Tensors:
        _, product = forward_mode(gradient_of, None, theta, p)
        damped: Tensors = map_tree(lambda h, p: h + damping * p, product, p)
        return damped

    if solver == "neumann":
        p = _neumann(curvature, adjoint.theta, num_terms, rate)
    else:
        p = _conjugate_gradient(curvature, adjoint.theta, num_terms)

    def outputs_of(theta: Tensors) -> Tree:
        return forward(problem.apply_fn, theta, buffers, batch)[0]

    outputs, u = forward_mode(outputs_of, None, theta, p)
    phi_grads = map_tree(torch.neg, through_loss(problem.loss_fn, phi, outputs, batch[1], u))
    return phi_grads, InnerRun(theta, inner_state, buffers, base.loss, norm(base.grads), outer_loss)


def _neumann(curvature: Callable[[Tensors], Tensors], v: Tensors, num_terms: int, rate: float) -> Tensors:
    term: Tensors = map_tree(lambda v: rate * v, v)
    total = term
    for _ in range(num_terms - 1):
        term = map_tree(lambda t, h: t - rate * h, term, curvature(term))
        total = map_tree(torch.add, total, term)
    return total


def _conjugate_gradient(curvature: Callable[[Tensors], Tensors], v: Tensors, num_terms: int) -> Tensors:
    """Hestenes and Stiefel (1952); once the residual is 0, further iterations leave the solution as it is."""
    solution: Tensors = map_tree(torch.zeros_like, v)
    residual = direction = v
    size = _inner(residual, residual)
    for _ in range(num_terms):
        ahead = curvature(direction)
        length = size / _or_one(_inner(direction, ahead))
        solution = map_tree(lambda s, d, a=length: s + a * d, solution, direction)
        residual = map_tree(lambda r, h, a=length: r - a * h, residual, ahead)
        new_size = _inner(residual, residual)
        kept = new_size / _or_one(size)
        direction = map_tree(lambda r, d, b=kept: r + b * d, residual, direction)
        size = new_size
    return solution


def _inner(a: Tensors, b: Tensors) -> torch.Tensor:
    """The inner product of two trees."""
    return torch.stack([torch.sum(a[name] * b[name]) for name in a]).sum()


def _or_one(x: torch.Tensor) -> torch.Tensor:
    """A divisor that is never 0: where x is 0 nothing is left to solve, and nothing changes."""
    return torch.where(x == 0.0, 1.0, x)


BY_DEFAULT = implicit()
"""The form called `"implicit"`."""
