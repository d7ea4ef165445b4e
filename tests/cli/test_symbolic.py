"""A formula as the loss from the command line: every command takes its run, and a mistyped one is pointed at."""

import json
from pathlib import Path

import pytest

SMALL = ["--steps", "4", "--offline-steps", "2", "--batch-size", "8", "--model", "logistic", "--checkpoint-every", "2"]
FORMULA = "abs(log(1.1*y*f))"


@pytest.mark.slow
def test_a_formula_goes_all_the_way(tmp_path: Path, lfl_command) -> None:
    assert lfl_command("train", *SMALL, "--loss", FORMULA, "--out", "run")[0] == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["loss"] == FORMULA
    for arguments in (
        ["eval", "run"],
        ["plot", "run"],
        ["report", "run"],
        ["export", "run", "--to", "latex"],
        ["train", *SMALL, "--method", "fixed", "--loss-from", "run", "--out", "fixed"],
        ["train", *SMALL, "--loss", FORMULA, "--seeds", "2", "--out", "seeds"],
        ["train", *SMALL, "--method", "residual", "--base", FORMULA, "--out", "residual"],
    ):
        status, _, err = lfl_command(*arguments)
        assert status == 0, err
    status, out, _ = lfl_command("export", "run", "--to", "sympy")
    assert status == 0
    assert out.rstrip().endswith("sympy run/loss.txt")
    assert "every digit: abs(" in out


def test_a_mistyped_formula_is_pointed_at(lfl_command) -> None:
    status, _, err = lfl_command("train", *SMALL, "--loss", "abs(lg(f))")
    assert status == 2
    *_, first, text, caret = err.splitlines()
    assert first.startswith("lfl: error: cannot read the formula at position 5: unknown name 'lg' (is it log?)")
    assert text.strip() == "abs(lg(f))"
    assert text[caret.index("^") :] == "lg(f))"
