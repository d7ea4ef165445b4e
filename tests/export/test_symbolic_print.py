"""Printed symbolic losses: each text is evaluated by itself, and errs from the loss by what is printed, no more."""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch

import lfl
from lfl.export import symbolic_print
from lfl.export.formula_text import formula_text
from lfl.export.symbolic_print import READABLE, chosen, grid, print_formula
from lfl.export.sympy_forms import rounded
from lfl.symbolic import Tree, evaluate, read_formula

CASES = [
    ("abs(log(1.1*y*f))", "classification"),
    ("abs(log(1.0012345*y*(0.987654*f)))", "classification"),
    ("div(log(y*f + 0.01), 1.2345*f + sqrt(y)) + 7", "classification"),
    ("sqrt(abs(y + 1.23456*f)) + max(0.5*y, f)*min(y, 2*f)", "multilabel"),
    ("square(y - 1.23456*f) + 3", "regression"),
    ("tanh(y - f)*sign(0.3*y - f) + abs(log(y - f))", "regression"),
    ("div(square(y - f), sqrt(f + 0.017)) - min(y, 0.123456*f)", "regression"),
]


def numbers(text: str, points: list[list[float]]) -> np.ndarray:
    function = eval(text, {"math": math})
    return np.array([function(*at) for at in zip(*points, strict=True)], dtype=float)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "kind"), CASES)
def test_the_error_that_is_stated_is_that_of_each_text(text: str, kind: Any) -> None:
    formula = read_formula(text)
    forms = print_formula(formula, kind)
    titles = ["y, f real values"] if kind == "regression" else ["y = 1", "y = 0"]
    assert [form.title for form in forms if form.form == "exact"] == titles
    for form in forms:
        target = {"y = 1": 1, "y = 0": 0}.get(form.title)
        y, f = grid(target)
        values = evaluate(formula.tree, formula.weights, y, f).numpy()
        points = [f.tolist()] if target is not None else [y.tolist(), f.tolist()]
        error = np.abs(values - numbers(form.python, points) - form.constant).max()
        assert error == pytest.approx(form.largest, abs=1e-12)
        assert error <= 2e-3 * np.abs(values).max()
        assert form.span == pytest.approx(np.ptp(values))
        symbols = [sympy.Symbol("f", real=True)] if target is not None else list(sympy.symbols("y f", real=True))
        parsed = sympy.sympify(form.sympy, locals={str(s): s for s in symbols})
        again = np.array(
            [float(parsed.subs(dict(zip(symbols, at, strict=True)))) for at in zip(*points, strict=True)][:40]
        )
        np.testing.assert_allclose(again, numbers(form.python, points)[:40], rtol=1e-9, atol=1e-9)
        assert all(float(f"{float(x):.4g}") == pytest.approx(float(x), rel=1e-12) for x in parsed.atoms(sympy.Float))
        assert form.latex.count("{") == form.latex.count("}") > -1


@pytest.mark.slow
def test_absolute_cross_entropy_is_printed_as_it_is_written() -> None:
    true, readable, wrong = print_formula(read_formula("abs(1.5*log(1.1*y*f))"), "classification")
    assert (true.form, true.sympy) == ("exact", "1.5*Abs(log(Max(1.0e-7, 1.1*f)))")
    assert (readable.form, readable.sympy) == (READABLE, "1.5*Abs(log(1.1*f))")
    assert (wrong.sympy, wrong.span) == ("0", 0.0)
    assert wrong.constant == pytest.approx(-1.5 * math.log(1e-7))
    assert true.largest < 1e-12


@pytest.mark.slow
def test_the_analytic_quotient_is_written_out_and_no_square_root_of_a_square_is_taken_for_its_argument() -> None:
    (quotient,) = print_formula(read_formula("div(y - f, 2*f)"), "regression")
    assert quotient.sympy in ("(-f + y)/sqrt(4*f**2 + 1)", "-(f - y)/sqrt(4*f**2 + 1)")
    root, without = print_formula(read_formula("sqrt(square(y - f))"), "regression")
    assert "Max(1.0e-7" in root.sympy
    assert "Abs" in without.sympy


def test_a_simplification_that_is_another_function_is_not_chosen() -> None:
    points = [[0.5, 1.0, 2.0]]

    def way(full: str, constant: float = 0.0) -> dict[str, Any]:
        return {"full": f"lambda f: {full}", "constant": constant}

    values = np.array([0.25, 1.0, 4.0])
    right, lowered = way("f**2"), way("f**2 - 1", 1.0)
    near, far = way("f**2 + 3e-6"), way("f**2 + 5e-6")
    for other in (way("f"), way("f**2", 1.0), way("math.log(-f)"), way("1/(f - 1)"), far):
        assert chosen([other, right], points, values, is_exact=True) is right
        assert chosen([other, right], points, values, is_exact=False) is right
    for other in (lowered, near):
        assert chosen([other, right], points, values, is_exact=True) is other
    assert chosen([far], points, values, is_exact=True) is far  # there is no other; its error is measured and printed


def test_numbers_are_rounded_until_they_stay() -> None:
    f = sympy.Symbol("f")
    assert str(rounded(sympy.Float(1.23456) * (f + sympy.Float(2.34567)), 4)) in ("1.235*f + 2.896", "1.235*f + 2.895")
    assert rounded(sympy.Float(2.00001) * f, 4) == 2 * f
    assert rounded(sympy.Float(-1.00001e-7) * f, 4) == sympy.Float(-1e-7) * f


@pytest.mark.slow
def test_sympy_is_stopped_and_the_text_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    formula = read_formula("abs(log(1.1*y*f))")
    assert print_formula(formula, "classification", seconds=0.001) == []
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    phi, loss_fn = lfl.symbolic_loss(formula, "classification")
    text = formula_text(loss_fn, phi, "a run")
    assert "l(y, f) = abs(log(1.1*y*f))" in text
    assert "sympy has no form of it" in text
    with pytest.raises(lfl.UserError, match="--to sympy"):
        formula_text(loss_fn, phi, "a run", latex=True)


def test_the_program_needs_sympy_alone() -> None:
    path = Path(symbolic_print.__file__).with_name("sympy_forms.py")
    code = f"import sys, runpy; runpy.run_path({str(path)!r}); print('torch' in sys.modules, 'lfl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.slow
def test_text_and_latex_say_what_is_learned_and_on_what_base() -> None:
    drawn = lfl.symbolic_loss("square(y - 0.5*f)", "classification", reduction="mean")
    phi, loss_fn = lfl.residual_loss("classification", correction=drawn, generator=torch.Generator())
    phi = {"weights": phi["weights"] * 1.0001}
    text = formula_text(loss_fn, phi, "a run", "absolute-cross-entropy")
    assert "M = absolute-cross-entropy + 1/C sum_i l(y_i, f_i): f_i the softmax probability" in text
    written = re.search(r"every digit: (.*)", text)
    assert written
    formula = read_formula(written[1])
    assert formula.tree == Tree(("square", "sub", "y", "f"))
    assert torch.tensor(formula.weights).allclose(phi["weights"])
    latex = formula_text(loss_fn, phi, "a run", "my_base", latex=True)
    assert r"\[ M = \text{my\_base} + \frac{1}{C} \sum_i \ell(y_i, f_i) \]" in latex
    assert latex.count(r"\[ \ell(1, f) = ") == latex.count(r"\[ \ell(0, f) = ") == 1


@pytest.mark.slow
def test_other_losses_have_fitted_latex() -> None:
    phi, loss_fn = lfl.loss_network("classification", generator=torch.Generator().manual_seed(0))
    latex = formula_text(loss_fn, phi, "a run", latex=True)
    assert latex.count(r"\[ \ell = ") == 2
    assert all(line.startswith(("%", r"\[")) for line in latex.splitlines())
