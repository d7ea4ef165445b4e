"""The hypergradient at a minimum of the learned loss, by the implicit function theorem: an approximation elsewhere."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Sequence
from functools import partial

import torch

from ..errors import UserError
from ..trees import map_tree, norm
from ..types import Batch, Tensors, Tree
from .averages import average_result, averaged_base_pass
from .bilevel import Bilevel, Hypergradient, InnerRun, base_pass, forward
from .directional import forward_mode
from .mixed_mode import outer_gradient, through_loss
from .solvers import check, conjugate_gradient, neumann


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
    check("implicit", solver, num_terms, rate, damping)
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
        base = averaged_base_pass(problem, theta, phi, buffers, batch)
        theta, inner_state = problem.update(base.grads, inner_state, theta, phi)
        buffers = base.buffers
    outer_loss, adjoint = outer_gradient(problem, theta, phi, inner_state, buffers, batch_val)
    average = problem.average or (lambda tree: tree)
    v = adjoint.theta

    def gradient_of(theta: Tensors) -> Tensors:
        return base_pass(problem, theta, phi, buffers, batch).grads

    def curvature(p: Tensors) -> Tensors:
        _, product = forward_mode(gradient_of, None, theta, p)
        damped: Tensors = map_tree(lambda h, p: h + damping * p, average(product), p)
        return damped

    neumann_series = solver == "neumann"
    p = neumann(curvature, v, num_terms, rate) if neumann_series else conjugate_gradient(curvature, v, num_terms)

    def outputs_of(theta: Tensors) -> Tree:
        return forward(problem.apply_fn, theta, buffers, batch)[0]

    outputs, u = forward_mode(outputs_of, None, theta, p)
    phi_grads = map_tree(torch.neg, through_loss(problem.loss_fn, phi, outputs, batch[1], u))
    run = InnerRun(theta, inner_state, buffers, base.loss, norm(base.grads), outer_loss)
    return average_result(problem, phi_grads, run)


BY_DEFAULT = implicit()
"""The form called `"implicit"`."""
