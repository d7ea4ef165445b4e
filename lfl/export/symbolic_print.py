"""A symbolic loss as sympy, LaTeX and Python text, and how far what is printed is from the loss itself."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ..errors import UserError
from ..symbolic import Formula, evaluate, exact
from ..symbolic.functions import SMALLEST
from ..types import Kind

DIGITS = 4
SECONDS = 20.0
"""How long sympy may take; then its simplification is left out, and then sympy itself."""

CLOSE = 1e-6
"""How far, in shares of the largest value, a simplified form may be from the formula; else it is not simplified."""

READABLE = "readable, without the smallest size that log and sqrt take, 1e-7"


class Printed(NamedTuple):
    """A formula at one target, or of target and output, in one form.

    Args:
        title: the target that it is for, in words.
        form: what is left out of it, in words; `"exact"` where nothing is.
        sympy, latex, python: its text, with numbers of four digits, without an additive constant.
        constant: added to it by the formula; training does not see it.
        span: the largest less the smallest value of the formula on the grid.
        largest: the largest distance between the formula and the text, plus the constant, on the grid.
    """

    title: str
    form: str
    sympy: str
    latex: str
    python: str
    constant: float
    span: float
    largest: float


def print_formula(formula: Formula, kind: Kind, *, seconds: float = SECONDS) -> list[Printed]:
    """Writes a formula for people, and evaluates what is written.

    For classes and labels l(1, f) and l(0, f) are written, of 33 probabilities from 0.001 to 0.999; for real values
    l(y, f), of 17 targets from 0 to 1 and 18 outputs from -0.5 to 1.5. A second form leaves out that log and sqrt take
    no size below 1e-7, where that makes a difference to the text and it is finite on the whole grid. Sympy's
    simplification is taken only where it is shorter and equals the formula to 1e-6.

    Args:
        formula: tree and weights.
        kind: of targets.
        seconds: how long sympy may take for all of it, twice at most.

    Returns:
        The forms, exact ones first for each target; none where sympy takes too long even without simplifying.
    """
    targets = [None] if kind == "regression" else [1, 0]
    entries = _entries(formula, targets, simplify=True, seconds=seconds)
    if entries is None:
        entries = _entries(formula, targets, simplify=False, seconds=seconds) or []
    found: list[Printed] = []
    for entry in entries:
        y, f = grid(entry["target"])
        values = evaluate(formula.tree, formula.weights, y, f).numpy()
        points = [f.tolist()] if entry["target"] is not None else [y.tolist(), f.tolist()]
        title = "y, f real values" if entry["target"] is None else f"y = {entry['target']}"
        is_exact = entry["form"] == "exact"
        text = chosen(entry["written"], points, values, is_exact=is_exact)
        if not is_exact and any(p.title == title and p.sympy == text["sympy"] for p in found):
            continue
        left = np.abs(values - _values(text["python"], points, text["constant"]))
        if np.isfinite(left).all():
            shown = {name: text[name] for name in ("sympy", "latex", "python", "constant")}
            form = "exact" if is_exact else READABLE
            found.append(Printed(title, form, **shown, span=float(np.ptp(values)), largest=float(left.max())))
    return found


def grid(target: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the targets and outputs, float64, on which what is printed is compared with the formula."""
    if target is not None:
        f = torch.linspace(1e-3, 0.999, 33, dtype=torch.float64)
        return torch.full_like(f, target), f
    axes = torch.linspace(0.0, 1.0, 17, dtype=torch.float64), torch.linspace(-0.5, 1.5, 18, dtype=torch.float64)
    y, f = torch.meshgrid(*axes, indexing="ij")
    return y.flatten(), f.flatten()


def _entries(formula: Formula, targets: list[Any], *, simplify: bool, seconds: float) -> list[dict[str, Any]] | None:
    """What `sympy_forms` writes; None where it takes too long or fails."""
    job = {
        "nodes": formula.tree.nodes,
        "weights": formula.weights,
        "targets": targets,
        "simplify": simplify,
        "digits": DIGITS,
        "smallest": SMALLEST,
    }
    program = [sys.executable, "-P", str(Path(__file__).with_name("sympy_forms.py"))]
    try:
        done = subprocess.run(program, input=json.dumps(job), capture_output=True, text=True, timeout=seconds)
    except (subprocess.TimeoutExpired, OSError):
        return None
    entries: list[dict[str, Any]] | None = json.loads(done.stdout) if done.returncode == 0 else None
    return entries


def chosen(
    ways: list[dict[str, Any]], points: list[list[float]], values: np.ndarray, *, is_exact: bool
) -> dict[str, Any]:
    """The first way of writing that equals the formula; of a readable form, the one that was not simplified."""
    reference = values if is_exact else _values(ways[-1]["full"], points, ways[-1]["constant"])
    close = CLOSE * np.abs(reference).max()
    for way in ways:
        if (np.abs(reference - _values(way["full"], points, way["constant"])) <= close).all():
            return way
    return ways[-1]


def _values(text: str, points: list[list[float]], constant: float) -> np.ndarray:
    """The values of Python text at points, plus a constant; not a number where it has none."""
    function = eval(text, {"math": math, "__builtins__": {"abs": abs, "min": min, "max": max}})  # of sympy_forms

    def value(*at: float) -> float:
        try:
            return float(function(*at)) + constant
        except (ValueError, ZeroDivisionError, OverflowError, TypeError):
            return math.nan

    return np.array([value(*at) for at in zip(*points, strict=True)])


def render_symbolic(formula: Formula, kind: Kind, name: str, *, reduction: str, base: str | None = None) -> str:
    """Writes a symbolic loss as text: each form in sympy, LaTeX and Python, with its error.

    Args:
        formula, kind: the loss.
        name: of the loss, such as its run folder.
        reduction: over outputs, `"sum"` or `"mean"`.
        base: the hand-made loss that it is added to; None without one.
    """
    lines = [
        f"the loss of {name}: l(y, f) = {formula}",
        f"every digit: {exact(formula)}",
        f"M = {'' if base is None else base + ' + '}{'1/C ' if reduction == 'mean' else ''}sum_i l(y_i, f_i): "
        + _meaning(kind),
        "log(a) is that of max(|a|, 1e-7), sqrt(a) too; div(a, b) is a / sqrt(1 + b^2)",
    ]
    title = ""
    for form in print_formula(formula, kind):
        lines += ["", form.title] if form.title != title else []
        title = form.title
        lines += [
            f"  {form.form}",
            f"    sympy   {form.sympy}",
            f"    latex   {form.latex}",
            f"    python  {form.python}",
            f"    error   largest {form.largest:.3g}, on values that span {form.span:.3g}",
        ]
        if form.constant:
            lines.append(f"            after a constant of {form.constant:.5g}, which training does not see")
    if not title:
        lines += ["", f"sympy has no form of it after {SECONDS:g} seconds"]
    return "\n".join(lines) + "\n"


def render_latex(formula: Formula, kind: Kind, name: str, *, reduction: str, base: str | None = None) -> str:
    """Writes a symbolic loss as LaTeX, with what else there is to know in comments; arguments as `render_symbolic`."""
    forms = print_formula(formula, kind)
    if not forms:
        raise UserError(f"sympy has no form of {formula} after {SECONDS:g} seconds; choose --to sympy, for text alone.")
    plus = "" if base is None else rf"\text{{{_in_latex(base)}}} + "
    average = r"\frac{1}{C} " if reduction == "mean" else ""
    lines = [
        f"% the loss of {name}: l(y, f) = {formula}",
        f"% {_meaning(kind)}",
        rf"\[ M = {plus}{average}\sum_i \ell(y_i, f_i) \]",
    ]
    for form in forms:
        y = form.title.removeprefix("y = ") if form.title.startswith("y =") else "y"
        lines += [
            f"% {form.form}; largest error {form.largest:.3g} on values that span {form.span:.3g}"
            + (f", after a constant of {form.constant:.5g}" if form.constant else ""),
            rf"\[ \ell({y}, f) = {form.latex} \]",
        ]
    return "\n".join(lines) + "\n"


def _in_latex(text: str) -> str:
    return "".join(rf"\{c}" if c in "_&%$#{}" else rf"\char`\{c}" if c in "^~\\" else c for c in text)


def _meaning(kind: Kind) -> str:
    if kind == "regression":
        return "f_i output i, y_i its target"
    if kind == "multilabel":
        return "f_i the sigmoid of logit i, y_i = 1 where label i holds, else 0"
    return "f_i the softmax probability of class i, y_i = 1 for the true class, else 0"
