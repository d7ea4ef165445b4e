"""Formulas: those that were put in come out, the error that is stated is the error, and the text is what it says."""

import math
import re

import numpy as np
import pytest
import sympy
import torch

import lfl
from lfl.export.formula import curve_about, fit_curve, fit_formulas, render
from lfl.loss.curve import sample_curves
from lfl.randomness import generator

F = np.linspace(0.0, 1.0, 101)
E = np.linspace(-1.0, 1.0, 101)
f, e = sympy.symbols("f e")


@pytest.mark.parametrize(
    ("points", "expression"),
    [
        (F, -2.5 * sympy.log(f + sympy.Rational(1, 100))),
        (F, 3.0 * f - 4.0 * f**2),
        (F, 0.002 * f**3),
        (E, 1.5 * sympy.log(sympy.cosh(3 * e)) + 0.25 * e),
        (E, 40.0 * e**2 - 7.0 * sympy.Abs(e) + 2.0 * sympy.tanh(10 * e)),
    ],
)
def test_a_formula_of_the_terms_is_found_again(points: np.ndarray, expression: sympy.Expr) -> None:
    (variable,) = expression.free_symbols
    values = sympy.lambdify(variable, expression)(points)
    curve = values + 12.0
    found = fit_curve(points, curve, str(variable), "here")
    assert found.expression.atoms(sympy.Function) == expression.atoms(sympy.Function)
    difference = sympy.lambdify(variable, found.expression)(points) - values
    assert np.ptp(difference) < 1e-4 * np.ptp(curve)
    assert found.constant == pytest.approx(12.0 - difference.mean(), abs=1e-3 * np.ptp(curve))


def test_a_flat_loss_has_the_formula_zero() -> None:
    found = fit_curve(F, np.full(101, 3.0), "f", "flat")
    assert np.abs(sympy.lambdify(f, found.expression)(F)).max() < 1e-9
    assert "lambda f" in render([found, found], "flat")


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_error_that_is_stated_is_the_error_of_the_text(kind: str) -> None:
    phi, loss_fn = lfl.loss_network(kind, gain=1.5, generator=generator(0, "phi"))
    formulas = fit_formulas(loss_fn, phi)
    text = render(formulas, "a run")
    functions = [eval(line, {"math": math}) for line in re.findall(r"python  (lambda .*)", text)]
    expressions = [sympy.sympify(line) for line in re.findall(r"sympy   (.*)", text)]
    errors = [tuple(map(float, pair)) for pair in re.findall(r"RMS (\S+), largest (\S+), on", text)]
    constants = [float(found) for found in re.findall(r"a constant of (\S+),", text)]
    curves = sample_curves(loss_fn, phi).double().numpy()
    points = F if kind == "classification" else E
    assert len(formulas) == len(functions) == len(errors) == len(curves) == (2 if kind == "classification" else 1)
    for curve, function, expression, (rms, largest), constant in zip(
        curves, functions, expressions, errors, constants, strict=True
    ):
        values = np.array([function(point) for point in points])
        symbolic = [float(expression.subs(dict.fromkeys(expression.free_symbols, point))) for point in points]
        np.testing.assert_allclose(symbolic, values, rtol=1e-4, atol=1e-4 * np.ptp(curve))
        left = curve - values - constant
        assert rms == pytest.approx(float(np.sqrt((left**2).mean())), rel=0.02, abs=2e-4 * np.ptp(curve))
        assert largest == pytest.approx(float(np.abs(left).max()), rel=0.02, abs=2e-4 * np.ptp(curve))
        assert len(expression.as_ordered_terms()) <= 4
        assert rms < 0.05 * np.ptp(curve)


def test_what_it_errs_elsewhere_is_measured_at_other_targets() -> None:
    """A loss of the error alone errs nowhere else; one that also scales with the target errs by what it scales."""

    def alone(phi, y, f):
        return phi["a"] * (f - y) ** 2

    def scaled(phi, y, f):
        return phi["a"] * y * (f - y) ** 2

    phi = {"a": torch.tensor(3.0)}
    (same,), (other,) = (fit_formulas(lfl.LearnedLoss(fn, "regression"), phi) for fn in (alone, scaled))
    assert same.elsewhere < 1e-5
    # 3 y e^2 less 1.5 e^2 is at most 1.5 e^2 at y = 0 and 1; its mean over the axis is a constant.
    assert other.elsewhere == pytest.approx(1.5 * (1 - (E**2).mean()), rel=1e-3)
    np.testing.assert_allclose(curve_about(lfl.LearnedLoss(scaled, "regression"), phi, 1.0), 3 * E**2, atol=1e-5)


def test_of_a_residual_loss_the_correction_is_fitted_and_the_base_named() -> None:
    def square(phi, y, f):
        return phi["a"] * (y - f) ** 2

    phi = {"a": torch.tensor(2.0)}
    alone = lfl.LearnedLoss(square, "classification")
    _, on_base = lfl.residual_loss("classification", correction=(phi, alone), generator=torch.Generator())
    assert fit_formulas(on_base, phi) == fit_formulas(alone, phi)
    text = render(fit_formulas(on_base, phi), "a run", base="cross-entropy")
    assert "M = cross-entropy + 1/C sum_i l(y_i, f_i)" in text
    assert "M = 1/C sum_i" in render(fit_formulas(alone, phi), "a run")


def test_a_loss_of_whole_examples_has_no_formula() -> None:
    phi, loss_fn = lfl.weight_net("classification", generator=torch.Generator())
    with pytest.raises(lfl.UserError, match=r"not a function of one target and one output.*--to torch"):
        fit_formulas(loss_fn, phi)
