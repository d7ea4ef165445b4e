"""The table of formulas: those of runs whose loss is one, given and learned."""

from pathlib import Path

import pytest

import lfl
from lfl.loss import formula_of
from lfl.report import collect_runs
from lfl.report.formulas import formula_table
from lfl.report.page import page

from .folders import write_run

FORMULA = "abs(log(1.1*y*f))"


@pytest.mark.slow
def test_formulas_are_shown_as_given_and_as_learned(tmp_path: Path) -> None:
    short = {"model": "logistic", "steps": 20, "out": tmp_path / "runs"}
    lfl.train("digits", method="baseline", loss=FORMULA, **short | {"out": tmp_path / "a"})
    lfl.train("digits", method="ml3", loss=FORMULA, offline_steps=20, **short | {"out": tmp_path / "b"})
    lfl.train("digits", method="fixed", loss_from=tmp_path / "b", **short | {"out": tmp_path / "c"})
    write_run(tmp_path / "d", task="digits", model="logistic", method="ml3", seed=1)
    (comparison,), _ = collect_runs(sorted(tmp_path.iterdir()))
    table = formula_table(comparison)
    loss = lfl.load_loss(tmp_path / "b")
    learned = str(formula_of(loss.loss_fn, loss.current_phi()))
    assert learned != FORMULA
    assert sorted(row[1:] for row in table.rows) == sorted(
        [[FORMULA, "not learned"], [FORMULA, learned], [FORMULA, learned]]
    )
    html = page([comparison])
    assert "<td>abs(log(1.1*y*f))</td>" in html
    assert f"<td>{learned}</td>" in html


def test_runs_without_a_formula_have_no_table(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    (comparison,), _ = collect_runs([tmp_path / "a"])
    assert formula_table(comparison).rows == []
    assert "Formulas" not in page([comparison])


def test_a_run_that_still_trains_has_not_learned_its_formula_yet(tmp_path: Path) -> None:
    write_run(tmp_path / "a", loss=FORMULA, test_error=None)
    (comparison,), _ = collect_runs([tmp_path / "a"])
    assert [row[1:] for row in formula_table(comparison).rows] == [[FORMULA, "not yet"]]
