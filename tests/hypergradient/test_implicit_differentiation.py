"""The implicit form against a closed form, and against differentiating through many steps."""

from typing import Any

import pytest
import torch

import lfl

from .adaptation_cases import Problem, gradient, problem
from .cases import assert_close

g = torch.Generator().manual_seed(0)
ROOT = torch.randn(4, 4, generator=g, dtype=torch.float64)
CURVATURE = ROOT @ ROOT.T + 0.1 * torch.eye(4, dtype=torch.float64)
TARGETS, MINIMA = (torch.randn(3, 4, generator=g, dtype=torch.float64) for _ in range(2))
PROXIMAL = 0.5


def quadratic(num_steps: int = 400) -> Problem:
    """Theta* = (A + lambda)^-1 (A a + lambda phi), and J = |theta - b|^2 / 2, for three tasks (a, b)."""
    inner = lfl.Adaptation(
        lambda theta, phi, task: 0.5 * (theta - task["a"]) @ CURVATURE @ (theta - task["a"]),
        lfl.sgd(1.0 / float(torch.linalg.eigvalsh(CURVATURE).max())),
        num_steps,
        proximal=PROXIMAL,
    )
    phi = torch.full((4,), 0.3, dtype=torch.float64)
    tasks = {"a": MINIMA, "b": TARGETS}
    return Problem(
        inner, lambda theta, phi, task: 0.5 * (theta - task["b"]).square().sum(), lambda phi: phi, phi, tasks
    )


def exact() -> torch.Tensor:
    eye = torch.eye(4, dtype=torch.float64)
    inverse = torch.linalg.inv(CURVATURE + PROXIMAL * eye)
    theta = (MINIMA @ CURVATURE + PROXIMAL * 0.3) @ inverse
    return (PROXIMAL * (theta - TARGETS) @ inverse).mean(0)


@pytest.mark.slow
def test_of_a_quadratic_it_is_the_closed_form() -> None:
    found, run = lfl.bilevel_gradient(*quadratic(), form=lfl.implicit_differentiation("cg", num_terms=4))
    assert_close(found, exact(), 1e-8)
    assert run.residual.shape == (3,)
    assert run.residual.max() < 1e-9
    assert_close(gradient(quadratic(), "mixed"), exact(), 1e-8)  # the steps converge to the same


@pytest.mark.slow
def test_the_series_converges_to_it_and_says_how_far_it_is() -> None:
    errors, residuals = [], []
    for num_terms in (5, 40, 400):
        form = lfl.implicit_differentiation("neumann", num_terms=num_terms, rate=0.1)
        found, run = lfl.bilevel_gradient(*quadratic(), form=form)
        errors.append(float((found - exact()).abs().max()))
        residuals.append(float(run.residual.max()))
    assert errors == sorted(errors, reverse=True)
    assert residuals == sorted(residuals, reverse=True)
    assert errors[-1] < 1e-7


def test_conjugate_gradient_stops_at_its_tolerance() -> None:
    runs = [
        lfl.bilevel_gradient(*quadratic(), form=lfl.implicit_differentiation("cg", num_terms=n, tolerance=0.2))[1]
        for n in (10, 30)
    ]
    assert all(0.0 < float(residual) <= 0.2 for residual in runs[0].residual)
    assert torch.equal(runs[0].residual, runs[1].residual)


def test_damping_adds_to_the_curvature() -> None:
    form = lfl.implicit_differentiation("cg", num_terms=8, damping=0.4)
    found, run = lfl.bilevel_gradient(*quadratic(), form=form)
    eye = torch.eye(4, dtype=torch.float64)
    theta = (MINIMA @ CURVATURE + PROXIMAL * 0.3) @ torch.linalg.inv(CURVATURE + PROXIMAL * eye)
    inverse = torch.linalg.inv(CURVATURE + (PROXIMAL + 0.4) * eye)
    assert_close(found, (PROXIMAL * (theta - TARGETS) @ inverse).mean(0), 1e-8)
    assert run.residual.max() < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("part", ["init", "warp", "film", "loss of theta", "head row"])
def test_after_many_steps_it_is_what_goes_through_them(part: str) -> None:
    p = problem(part, "sgd", 150, "none")
    same = {"part": lambda task, step: {**task, "step": 0}, "proximal": 3.0, "optimiser": lfl.sgd(0.1)}  # converges
    p = p._replace(inner=p.inner._replace(**same))
    found = gradient(p, lfl.implicit_differentiation("cg", num_terms=60, tolerance=1e-12))
    assert_close(found, gradient(p, "mixed"), 1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "newton"}, "unknown solver 'newton'"),
        ({"num_terms": 0}, "num_terms >= 1, got 0"),
        ({"rate": 0.0}, "finite rate above 0, got 0.0"),
        ({"damping": -1.0}, "finite damping of at least 0, got -1.0"),
        ({"tolerance": float("nan")}, "finite tolerance of at least 0, got nan"),
    ],
)
def test_mistakes_are_named(settings: Any, message: str) -> None:
    with pytest.raises(lfl.UserError, match=message):
        lfl.implicit_differentiation(**settings)
