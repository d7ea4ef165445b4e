"""The implicit hypergradient against the implicit function theorem written out, and against long unrolls."""

from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.hypergradient import unroll

from .cases import assert_close, form, make_case, phi_gradient


def weighted(phi: Any, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A strictly convex loss in the outputs: squares weighted by output, and a smooth one of all of them."""
    error = outputs - targets
    return (phi["weights"].exp() * error**2).mean(-1) + phi["smooth"].exp() * torch.log(torch.cosh(error)).mean(-1)


@pytest.fixture(scope="module")
def at_minimum() -> Any:
    """Linear regression at the minimum of the learned loss, found by Newton's method."""
    case = make_case("", "sgd", "regression", torch.float64, module=nn.Sequential(nn.Linear(5, 3)).double())
    phi = {"weights": torch.tensor([0.7, -0.4, 0.1], dtype=torch.float64), "smooth": torch.tensor(-0.5).double()}
    x, y = case.batch_tr
    names = list(case.theta)
    sizes = [case.theta[name].numel() for name in names]

    def unflatten(flat: torch.Tensor) -> Any:
        return {n: t.view_as(case.theta[n]) for n, t in zip(names, flat.split(sizes), strict=True)}

    def inner(flat: torch.Tensor, phi: Any) -> torch.Tensor:
        return weighted(phi, case.kwargs["apply_fn"](unflatten(flat), {}, x)[0], y).mean()

    flat = torch.cat([case.theta[name].flatten() for name in names])
    for _ in range(30):
        flat = flat - torch.linalg.solve(torch.func.hessian(inner)(flat, phi), torch.func.grad(inner)(flat, phi))

    def outer(flat: torch.Tensor) -> torch.Tensor:
        x, y = case.batch_val
        return lfl.squared_error(case.kwargs["apply_fn"](unflatten(flat), {}, x)[0], y).mean()

    hessian = torch.func.hessian(inner)(flat, phi)
    p = torch.linalg.solve(hessian, torch.func.grad(outer)(flat))
    cross = torch.func.jacrev(torch.func.grad(inner), argnums=1)(flat, phi)
    exact = {name: -torch.einsum("t,t...->...", p, c) for name, c in cross.items()}
    kwargs = case.kwargs | {"loss_fn": weighted, "inner": lfl.sgd(0.0)}
    return case._replace(theta=unflatten(flat), phi=phi, kwargs=kwargs), exact, hessian


def test_conjugate_gradient_is_the_implicit_function_theorem(at_minimum: Any) -> None:
    case, exact, _ = at_minimum
    assert_close(phi_gradient(case, lfl.implicit("cg", num_terms=25)), exact, 1e-7)


@pytest.mark.slow
def test_neumann_series_converges_to_it(at_minimum: Any) -> None:
    case, exact, hessian = at_minimum
    rate = 1.0 / float(torch.linalg.eigvalsh(hessian).max())
    far, near = (phi_gradient(case, lfl.implicit(num_terms=n, rate=rate)) for n in (3, 600))
    assert_close(near, exact, 1e-7)
    with pytest.raises(AssertionError):
        assert_close(far, exact, 1e-2)


def test_neumann_series_is_an_unroll_at_the_minimum(at_minimum: Any) -> None:
    case, _, _ = at_minimum
    unrolled = case._replace(kwargs=case.kwargs | {"inner": lfl.sgd(0.2)})
    batches = [case.batch_tr] * 7
    long = form(lambda problem, *a: unroll(problem, *a[:2], batches, *a[3:]), unrolled)
    expected, _ = long(case.theta, case.phi, case.carry)
    assert_close(phi_gradient(case, lfl.implicit(num_terms=7, rate=0.2)), expected, 1e-8)


@pytest.mark.slow
def test_damping_is_added_to_the_curvature(at_minimum: Any) -> None:
    case, _, _ = at_minimum
    solved = phi_gradient(case, lfl.implicit("cg", num_terms=25, damping=0.3))
    summed = phi_gradient(case, lfl.implicit(num_terms=400, rate=0.2, damping=0.3))
    assert_close(summed, solved, 1e-7)


def test_misuse_is_named() -> None:
    with pytest.raises(lfl.UserError, match="solver"):
        lfl.implicit("newton")
    for num_terms in (0, 2.5):
        with pytest.raises(lfl.UserError, match=f"num_terms >= 1, got {num_terms}"):
            lfl.implicit(num_terms=num_terms)
    for rate in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(lfl.UserError, match=f"a finite rate above 0, got {rate}"):
            lfl.implicit(rate=rate)
    for damping in (-1.0, float("inf"), float("nan")):
        with pytest.raises(lfl.UserError, match=f"a finite damping of at least 0, got {damping}"):
            lfl.implicit(damping=damping)
    case = make_case("plain", "sgd", "classification", torch.float64, held="rate")
    with pytest.raises(lfl.UserError, match="no gradient of a learning rate"):
        phi_gradient(case, "implicit")
