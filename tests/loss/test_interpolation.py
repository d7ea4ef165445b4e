"""The two curves of a pointwise loss at a grid, and cubic polynomials between: errors, gradients and steps."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.loss.interpolation import interpolated
from lfl.randomness import generator

CLASSES = 400
ROWS = 12  # so that there are more values than LEAST_VALUES


def drawn(kind: Any = "classification", gain: float = 1.0, **options: Any) -> tuple[dict[str, torch.Tensor], Any]:
    """phi in float64, and the loss."""
    return lfl.loss_network(kind, gain=gain, generator=generator(0, "phi"), dtype=torch.float64, **options)


def batch(seed: int = 0, rows: int = ROWS) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(seed, "batch")
    return 3.0 * torch.randn(rows, CLASSES, generator=g, dtype=torch.float64), torch.randint(
        CLASSES, (rows,), generator=g
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_polynomials_of_order_three_are_exact(cells: int, seed: int) -> None:
    g = generator(seed, "cubic")
    a = torch.randn(4, generator=g, dtype=torch.float64)
    x = torch.rand(200, generator=g, dtype=torch.float64)

    def cubic(x: torch.Tensor) -> torch.Tensor:
        return a[0] + x * (a[1] + x * (a[2] + x * a[3]))

    torch.testing.assert_close(interpolated(cubic, x, cells=cells), cubic(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cells", [4, 16, 64])
def test_value_and_slope_of_a_sine_are_within_the_stated_errors(cells: int) -> None:
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)
    w, h = 2 * math.pi, 1 / cells
    most = w**4  # of the fourth derivative
    slope, value = torch.func.vmap(torch.func.grad_and_value(lambda t: torch.sin(w * t)))(x)
    found, pull = torch.func.vjp(lambda x: interpolated(lambda t: torch.sin(w * t), x, cells=cells), x)
    assert 0 < float((found - value).abs().max()) <= h**4 / 384 * most + 1e-13
    assert 0 < float((pull(torch.ones_like(x))[0] - slope).abs().max()) <= h**3 * math.sqrt(3) / 216 * most + 1e-12


def test_in_float32_value_and_slope_are_rounded_once() -> None:
    x = torch.rand(5000, generator=generator(0, "x"))
    value, pull = torch.func.vjp(lambda x: interpolated(lambda t: 100 + torch.sin(t), x), x)
    assert value.dtype == torch.float32
    assert torch.equal(value, (100 + torch.sin(x.double())).float())
    torch.testing.assert_close(pull(torch.ones_like(x))[0], torch.cos(x), rtol=2e-7, atol=0)


def test_beyond_the_grid_and_for_nan_it_is_defined() -> None:
    found = interpolated(lambda t: t**3, torch.tensor([-0.5, 1.5, math.nan]))
    torch.testing.assert_close(found, torch.tensor([-0.125, 3.375, math.nan]), rtol=1e-6, atol=0, equal_nan=True)


def test_its_derivatives_are_exactly_those_of_what_it_computes() -> None:
    x = torch.rand(7, generator=generator(0, "x"), dtype=torch.float64).requires_grad_()
    w = torch.tensor([1.5, 0.3], dtype=torch.float64, requires_grad=True)

    def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return interpolated(lambda t: torch.exp(w[0] * t) * torch.sin(9 * w[1] * t), x, cells=3)

    assert torch.autograd.gradcheck(function, (x, w), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (x, w), check_fwd_over_rev=True)


def parts(loss_fn: Any, phi: Any, outputs: torch.Tensor, targets: Any) -> list[torch.Tensor]:
    """The losses, the outputs' slope, and phi's gradient of it along a direction: what a step is made of."""
    along = torch.randn(outputs.shape, generator=generator(5, "along"), dtype=torch.float64).to(outputs.dtype)

    def slope(phi: Any) -> torch.Tensor:
        return torch.func.grad(lambda outputs: loss_fn(phi, outputs, targets).mean())(outputs)

    by_phi = torch.func.grad(lambda phi: (slope(phi) * along).sum())(phi)
    return [loss_fn(phi, outputs, targets), slope(phi), torch.cat([t.flatten() for t in by_phi.values()])]


def errors(found: list[torch.Tensor], expected: list[torch.Tensor]) -> list[float]:
    return [float((a.double() - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)]


@pytest.mark.parametrize("gain", [0.25, 3.0, 6.0])
@pytest.mark.parametrize("kind", ["ids", "soft", "labels", "soft labels"])
def test_it_is_as_near_to_float64_as_each_output_in_float32(kind: str, gain: float) -> None:
    phi, loss_fn = drawn("multilabel" if "labels" in kind else "classification", gain)
    outputs, ids = batch()
    targets = {
        "ids": ids,
        "soft": torch.softmax(outputs.flip(0), 1),
        "labels": (outputs.flip(0) > 0).long(),
        "soft labels": torch.sigmoid(outputs.flip(0)),
    }[kind]
    exact = parts(loss_fn, phi, outputs, targets)
    single = {key: t.float() for key, t in phi.items()}
    each = parts(replace(loss_fn, interpolate=False), single, outputs.float(), targets)
    found = parts(loss_fn, single, outputs.float(), targets)
    assert not torch.equal(found[1], each[1])
    for mine, theirs in zip(errors(found, exact), errors(each, exact), strict=True):
        assert mine < max(2 * theirs, 1e-6)


@pytest.mark.parametrize("case", ["float64", "few", "kinks", "own activation", "switched off"])
def test_where_it_would_not_be_exact_or_not_cheaper_each_output_is_evaluated(case: str) -> None:
    activations: dict[str, Any] = {"kinks": "relu", "own activation": torch.sign}
    phi, loss_fn = drawn(activation=activations.get(case, "slrelu"))
    outputs, ids = batch(rows=ROWS - 2 if case == "few" else ROWS)
    if case != "float64":
        phi, outputs = {key: t.float() for key, t in phi.items()}, outputs.float()
    if case == "switched off":
        loss_fn = replace(loss_fn, interpolate=False)
    one_hot = torch.nn.functional.one_hot(ids, CLASSES).to(outputs.dtype)
    each = loss_fn.elementwise(phi, one_hot, loss_fn.probabilities(outputs))
    expected = loss_fn.over_classes(one_hot * each, (1 - one_hot) * each)
    assert torch.equal(loss_fn(phi, outputs, ids), expected)


def step_of(loss_fn: Any, dtype: torch.dtype, form: Any = "mixed", steps: int = 2) -> tuple[Any, Any]:
    """The phi that inner steps lead to, of a linear model, as a function of theta and phi; and that theta."""
    _, ids = batch()
    x = torch.randn(ROWS, 2, generator=generator(1, "x"), dtype=torch.float64).to(dtype)
    theta, _, apply_fn = lfl.functional(torch.nn.Linear(2, CLASSES).to(dtype))
    for key, t in theta.items():
        theta[key] = torch.randn(t.shape, generator=generator(2, key), dtype=torch.float64).to(dtype)

    def step(theta: Any, phi: Any) -> Any:
        return lfl.meta_step(
            theta, phi, [(x, ids)] * steps, (x, ids), apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.3), outer=lfl.sgd(1.0), hypergradient=form,
        )[:2]  # fmt: skip

    return step, theta


@pytest.mark.parametrize("form", ["unroll", "mixed", "finite-difference"])
def test_the_hypergradient_is_that_of_each_output_in_float64(form: str) -> None:
    phi, loss_fn = drawn()
    step, theta = step_of(loss_fn, torch.float64, "unroll")
    moved = step(theta, phi)[1]
    single = {key: t.float() for key, t in phi.items()}
    errors = []
    for interpolate in (True, False):
        step, theta = step_of(replace(loss_fn, interpolate=interpolate), torch.float32, form)
        found = step(theta, single)[1]
        wrong = sum(float(((found[k] - single[k]).double() - (moved[k] - phi[k])).norm() ** 2) for k in phi)
        errors.append((wrong / sum(float((moved[k] - phi[k]).norm() ** 2) for k in phi)) ** 0.5)
    assert errors[0] < max(2 * errors[1], 1e-5)


@pytest.mark.slow
def test_a_step_runs_compiled_and_vmapped() -> None:
    phi, loss_fn = drawn()
    phi = {key: t.float() for key, t in phi.items()}
    step, theta = step_of(loss_fn, torch.float32, steps=1)
    expected = step(theta, phi)
    stacked = [{key: torch.stack([t, t]) for key, t in tree.items()} for tree in (theta, phi)]
    together = torch.func.vmap(step)(*stacked)
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")(theta, phi)
    for alone, many, one in zip(expected, together, compiled, strict=True):
        for key in alone:
            torch.testing.assert_close(one[key], alone[key], rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(many[key][1], alone[key], rtol=1e-5, atol=1e-6)
