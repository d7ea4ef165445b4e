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


def drawn(kind: Any = "classification", cells: int = 64) -> tuple[dict[str, torch.Tensor], Any, Any]:
    """phi, the loss with each output evaluated, and the loss with cells."""
    phi, loss_fn = lfl.loss_network(kind, gain=1.0, generator=generator(0, "phi"), dtype=torch.float64)
    return phi, loss_fn, replace(loss_fn, cells=cells)


def batch(seed: int = 0, rows: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
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

    torch.testing.assert_close(interpolated(cubic, x, cells), cubic(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cells", [4, 16, 64])
def test_value_and_slope_of_a_sine_are_within_the_stated_errors(cells: int) -> None:
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)
    w, h = 2 * math.pi, 1 / cells
    most = w**4  # of the fourth derivative
    slope, value = torch.func.vmap(torch.func.grad_and_value(lambda t: torch.sin(w * t)))(x)
    found, pull = torch.func.vjp(lambda x: interpolated(lambda t: torch.sin(w * t), x, cells), x)
    assert 0 < float((found - value).abs().max()) <= h**4 / 384 * most + 1e-13
    assert 0 < float((pull(torch.ones_like(x))[0] - slope).abs().max()) <= h**3 * math.sqrt(3) / 216 * most + 1e-12


def test_few_values_are_evaluated_one_by_one() -> None:
    x = torch.rand(63, generator=generator(0, "few"), dtype=torch.float64)
    assert torch.equal(interpolated(torch.exp, x, 16), torch.exp(x))
    assert not torch.equal(interpolated(torch.exp, torch.cat((x, x[:1])), 16)[:-1], torch.exp(x))


def both_gradients(loss_fn: Any, phi: Any, outputs: torch.Tensor, targets: Any) -> list[torch.Tensor]:
    """The slope of the outputs, and that of phi of the slope along a direction: what a step is made of."""
    along = torch.randn(outputs.shape, generator=generator(5, "along"), dtype=outputs.dtype)

    def slope(phi: Any) -> torch.Tensor:
        return torch.func.grad(lambda outputs: loss_fn(phi, outputs, targets).mean())(outputs)

    by_phi = torch.func.grad(lambda phi: (slope(phi) * along).sum())(phi)
    return [loss_fn(phi, outputs, targets), slope(phi), *by_phi.values()]


@pytest.mark.parametrize("kind", ["ids", "soft", "labels", "soft labels"])
def test_with_cells_a_loss_and_its_gradients_are_those_of_each_output(kind: str) -> None:
    phi, each, cells = drawn("multilabel" if "labels" in kind else "classification", cells=128)
    outputs, ids = batch()
    targets = {
        "ids": ids,
        "soft": torch.softmax(outputs.flip(0), 1),
        "labels": (outputs.flip(0) > 0).long(),
        "soft labels": torch.sigmoid(outputs.flip(0)),
    }[kind]
    for found, expected in zip(*(both_gradients(f, phi, outputs, targets) for f in (cells, each)), strict=True):
        assert float((found - expected).norm() / expected.norm()) < 1e-6
        assert not torch.equal(found, expected)


def test_its_gradients_are_exactly_those_of_what_it_computes() -> None:
    phi, _, cells = drawn(cells=8)
    outputs, ids = batch()
    size = 1e-6
    for key in phi:
        along = torch.randn(phi[key].shape, generator=generator(6, "along"), dtype=torch.float64)
        slope = torch.func.grad(lambda t, key=key: cells(phi | {key: t}, outputs, ids).mean())(phi[key])
        up, down = (cells(phi | {key: phi[key] + s * along}, outputs, ids).mean() for s in (size, -size))
        torch.testing.assert_close((slope * along).sum(), (up - down) / (2 * size), rtol=1e-6, atol=1e-10)


@pytest.mark.slow
def test_a_step_with_cells_runs_compiled_and_vmapped() -> None:
    phi, _, cells = drawn(cells=32)
    _, ids = batch()
    x = torch.randn(3, 2, generator=generator(1, "x"), dtype=torch.float64)
    theta, _, apply_fn = lfl.functional(torch.nn.Linear(2, CLASSES).double())

    def step(theta: Any, phi: Any) -> Any:
        return lfl.meta_step(
            theta, phi, (x, ids), (x, ids), apply_fn=apply_fn, loss_fn=cells, task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.3), outer=lfl.sgd(1.0),
        )[:2]  # fmt: skip

    expected = step(theta, phi)
    stacked = [{key: torch.stack([t, t]) for key, t in tree.items()} for tree in (theta, phi)]
    together = torch.func.vmap(step)(*stacked)
    compiled = torch.compile(step, fullgraph=True)(theta, phi)
    for alone, many, one in zip(expected, together, compiled, strict=True):
        for key in alone:
            torch.testing.assert_close(one[key], alone[key], rtol=1e-8, atol=1e-12)
            torch.testing.assert_close(many[key][1], alone[key], rtol=1e-8, atol=1e-12)


def test_cells_that_cannot_be_are_told() -> None:
    for kind, cells in (("classification", 0), ("regression", 64)):
        with pytest.raises(lfl.UserError, match=rf"cells are for probabilities.* got {cells} for {kind}"):
            lfl.LearnedLoss(lambda phi, y, f: f, kind, cells=cells)
