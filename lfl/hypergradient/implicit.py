"""The hypergradient at a minimum of the learned loss, by the implicit function theorem: an approximation elsewhere."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import UserError, one_of
from ..trees import map_tree, norm
from ..types import Batch, Tensors
from .along import forward_mode
from .backwards import advance, judge, through_loss
from .inner import Bilevel, Lookahead, base_pass, forward

SOLVERS = ("neumann", "cg")


def implicit(
    solver: str = "neumann", *, num_terms: int = 10, rate: float = 0.01, damping: float = 0.0
) -> Callable[..., tuple[Any, Lookahead]]:
    """A form of the hypergradient that forgets how theta was reached.

        p = (H + damping I)^-1 v        H = d^2 M_phi / d theta^2 on the last train batch, v = grad_theta L_T
        L_phi = - grad_phi < dM_phi/d(out), J_f p >

    Its memory does not grow with the number of inner steps, and it sees past them; but it is exact only where
    grad_theta M_phi = 0, and a learning rate has no gradient there.

    Args:
        solver: `"neumann"`, `p = rate sum_j (I - rate (H + damping I))^j v`, which equals differentiating through
            `num_terms` steps of gradient descent at the minimum; or `"cg"`, conjugate gradient, which needs
            H + damping I positive definite.
        num_terms: terms of the series, or iterations; a Hessian-vector product each.
        rate: of the series; below 2 over the largest curvature.
        damping: added to the curvature.

    Returns:
        A form with the arguments of `unroll`, to give as `hypergradient=`.

    Raises:
        UserError: an unknown solver or a number out of range; from the form, a phi that holds the rate.

    Source: Lorraine, Vicol and Duvenaud (2020), Algorithms 2 and 3.
    """
    one_of("solver", solver, list(SOLVERS))
    if num_terms < 1 or not rate > 0.0 or not damping >= 0.0:
        raise UserError(
            f"implicit wants num_terms >= 1, rate > 0 and damping >= 0, but {num_terms}, {rate} and {damping} came."
        )

    def form(
        problem: Bilevel,
        theta: Tensors,
        phi: Any,
        batches_tr: Sequence[Batch],
        batch_val: Batch,
        inner_state: Any,
        buffers: Tensors,
    ) -> tuple[Any, Lookahead]:
        if callable(problem.inner_lr):
            raise UserError("at a minimum no step is taken, so a learning rate has no gradient; use another form.")
        for batch in batches_tr:
            theta, inner_state, base = advance(problem, theta, phi, inner_state, buffers, batch)
            buffers = base.buffers
        outer_loss, adjoint = judge(problem, theta, phi, inner_state, buffers, batch_val)

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

        def outputs_of(theta: Tensors) -> Any:
            return forward(problem.apply_fn, theta, buffers, batch)[0]

        outputs, u = forward_mode(outputs_of, None, theta, p)
        phi_grads = map_tree(torch.neg, through_loss(problem.loss_fn, phi, outputs, batch[1], u))
        return phi_grads, Lookahead(theta, inner_state, buffers, base.loss, norm(base.grads), outer_loss)

    return form


def _neumann(curvature: Callable[[Tensors], Tensors], v: Tensors, num_terms: int, rate: float) -> Tensors:
    term: Tensors = map_tree(lambda v: rate * v, v)
    total = term
    for _ in range(num_terms - 1):
        term = map_tree(lambda t, h: t - rate * h, term, curvature(term))
        total = map_tree(torch.add, total, term)
    return total


def _conjugate_gradient(curvature: Callable[[Tensors], Tensors], v: Tensors, num_terms: int) -> Tensors:
    """Hestenes and Stiefel (1952); once the residual is nothing, further iterations leave the solution alone."""
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
    return torch.stack([torch.sum(a[name] * b[name]) for name in a]).sum()


def _or_one(x: torch.Tensor) -> torch.Tensor:
    """A divisor that is never 0: once nothing is left to solve, nothing changes."""
    return torch.where(x == 0.0, 1.0, x)
