"""A small closed formula for a learned loss, fitted to its curve."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import sympy
import torch

from ..errors import UserError
from ..loss import AnyLearnedLoss, LearnedLoss
from ..loss.curve import REGRESSION_TARGET, axis, sample_curves
from ..types import Tensors

TERMS = {
    "f": "f, f**2, f**3, log(f + 1/100), log(f + 1/10), log(11/10 - f), exp(-5*f), exp(-20*f)",
    "e": "e, Abs(e), e**2, e**3, log(cosh(e)), log(cosh(3*e)), log(cosh(10*e)), tanh(3*e), tanh(10*e)",
}
"""Terms of a formula, in the probability f or the error e; a constant is fitted beside them."""

MOST_TERMS = 4
FINE = 0.005
"""A fit whose RMS error is below this share of the curve's span needs no further term."""

DIGITS = 5
OTHER_TARGETS = (0.0, 0.25, 0.75, 1.0)


class Formula(NamedTuple):
    """A formula for l_phi at one target.

    Args:
        title: the target that it is for, in words.
        expression: a sympy expression in `f` or `e`, without a constant.
        constant: added to it by the fit; it does not change training.
        span: largest less smallest value of the curve.
        rms, largest: root mean square and largest distance between curve and formula with its constant.
        elsewhere: regression: the largest distance at other targets from 0 to 1, the best constant for each; else None.
    """

    title: str
    expression: sympy.Expr
    constant: float
    span: float
    rms: float
    largest: float
    elsewhere: float | None


def fit_formulas(loss_fn: AnyLearnedLoss, phi: Tensors) -> list[Formula]:
    """Fits formulas to a learned loss, or to its correction of a base: in f for y = 1 and y = 0, or in e = f - y.

    Least squares over every choice of at most four terms of a fixed list; the fewest terms whose RMS error is within
    0.5 % of the curve's span, else the best four. Coefficients are rounded to five digits before errors are taken.

    Args:
        loss_fn, phi: a learned loss.

    Returns:
        Classification: two formulas, fitted on probabilities from 0 to 1. Regression: one, fitted on errors from -1 to
        1 about the target 0.5.

    Raises:
        UserError: the loss is not a function of one target and one output.
    """
    if not isinstance(loss_fn, LearnedLoss):
        raise UserError(
            "this loss is not a function of one target and one output, which a formula is fitted to; choose --to torch "
            "or --to onnx."
        )
    loss_fn = replace(loss_fn, base=None)
    points = axis(loss_fn).double().numpy()
    curves = sample_curves(loss_fn, phi).double().numpy()
    if loss_fn.kind != "regression":
        return [fit_curve(points, c, "f", f"y = {y}") for y, c in zip((1, 0), curves, strict=True)]
    fitted = fit_curve(points, curves[0], "e", f"e = f - y, at y = {REGRESSION_TARGET}")
    values = _numeric(fitted.expression, "e")(points)
    distances = [_centred(curve_about(loss_fn, phi, y) - values) for y in OTHER_TARGETS]
    return [fitted._replace(elsewhere=float(np.abs(distances).max()))]


def fit_curve(points: np.ndarray, curve: np.ndarray, variable: str, title: str) -> Formula:
    """Fits a formula to one curve `[points]`, in the terms of `variable`."""
    terms = sympy.sympify(f"[{TERMS[variable]}]")
    columns = np.stack([_numeric(term, variable)(points) for term in terms], 1)
    span = float(np.ptp(curve))
    for count in range(1, MOST_TERMS + 1):
        fits = [_fit(columns, curve, chosen) for chosen in combinations(range(len(terms)), count)]
        rms, chosen, coefficients = min(fits, key=lambda fit: fit[0])
        if rms <= FINE * span:
            break
    rounded = [sympy.Float(f"{c:.{DIGITS}g}", DIGITS) for c in coefficients]
    expression = sympy.Add(*(c * terms[i] for c, i in zip(rounded, chosen, strict=True)))
    left = curve - columns[:, chosen] @ np.array(rounded, dtype=float)
    error = _centred(left)
    return Formula(
        title, expression, float(left.mean()), span, float(np.sqrt(np.mean(error**2))), float(np.abs(error).max()), None
    )


def curve_about(loss_fn: LearnedLoss, phi: Tensors, target: float) -> np.ndarray:
    """Computes l_phi(y, y + e) of a regression loss on its axis, `[points]`, for a target y."""
    errors = axis(loss_fn)
    y = torch.full_like(errors, target)
    with torch.no_grad():
        return loss_fn.elementwise(phi, y[:, None], (y + errors)[:, None])[:, 0].double().numpy()


def render(formulas: list[Formula], name: str, base: str | None = None) -> str:
    """Writes formulas as text: for each its sympy, LaTeX and Python forms, and its error.

    Args:
        formulas: of one loss.
        name: the run folder of the loss.
        base: name of the handcrafted loss that the formulas are added to; None without one.
    """
    classes = len(formulas) == 2
    many = (
        "with C > 10 classes: f_i is taken to the power log 10 / log C, the mean over the wrong classes counts nine "
        "times, and 1/10 stands for 1/C"
    )
    plus = "" if base is None else f"{base} + "
    lines = [
        f"the loss of {name}, fitted by a formula l of one output",
        f"M = {plus}1/C sum_i l(y_i, f_i): f_i the softmax probability of class i, y_i = 1 for the true class, else 0"
        if classes
        else f"M = {plus}1/C sum_i l(f_i - y_i): f_i output i, y_i its target, scaled to [0, 1]",
        *([many] if classes else []),
    ]
    for formula in formulas:
        (variable,) = formula.expression.free_symbols or {sympy.Symbol("f" if classes else "e")}
        lines += [
            "",
            formula.title,
            f"  sympy   {formula.expression}",
            f"  latex   {sympy.latex(formula.expression)}",
            f"  python  lambda {variable}: {sympy.pycode(formula.expression)}",
            f"  error   RMS {formula.rms:.3g}, largest {formula.largest:.3g}, on a curve that spans {formula.span:.3g}",
        ]
        if formula.elsewhere is not None:
            lines.append(f"          largest {formula.elsewhere:.3g} for other targets from 0 to 1")
        lines.append(f"          after a constant of {formula.constant:.5g}, which training does not see")
    return "\n".join(lines) + "\n"


def render_latex(formulas: list[Formula], name: str, base: str | None = None) -> str:
    """Writes formulas as LaTeX, with their errors in comments; arguments as `render`."""
    text = render(formulas, name, base).splitlines()
    blank = text.index("")
    lines = [f"% {line}" for line in text[:blank]]
    for formula in formulas:
        lines += [
            f"% {formula.title}: RMS error {formula.rms:.3g}, largest {formula.largest:.3g}, on a curve that spans "
            f"{formula.span:.3g}, after a constant of {formula.constant:.5g}",
            rf"\[ \ell = {sympy.latex(formula.expression)} \]",
        ]
    return "\n".join(lines) + "\n"


def _numeric(expression: sympy.Expr, variable: str) -> Callable[[np.ndarray], np.ndarray]:
    function: Callable[[np.ndarray], np.ndarray] = sympy.lambdify(sympy.Symbol(variable), expression, "numpy")
    return function


def _fit(columns: np.ndarray, curve: np.ndarray, chosen: tuple[int, ...]) -> tuple[float, list[int], np.ndarray]:
    """Returns the RMS error, terms and coefficients of a least-squares fit with a constant."""
    table = np.column_stack([columns[:, chosen], np.ones(len(curve))])
    coefficients = np.linalg.lstsq(table, curve, rcond=None)[0]
    rms = float(np.sqrt(np.mean((curve - table @ coefficients) ** 2)))
    return rms, list(chosen), coefficients[:-1]


def _centred(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - np.mean(values))
