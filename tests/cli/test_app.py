"""The last net: whatever happens, one line and status 1; surroundings that lack something are no reason to fail."""

import io
import json
import os
import pwd
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from lfl_cli import app

import lfl.run

from ..processes import status_of
from .commands import forked

QUICK = ["--model", "logistic", "--steps", "5", "--offline-steps", "3", "--batch-size", "8"]


def fault(*_: object, **__: object) -> None:
    raise ZeroDivisionError("what\nnobody\x1b[2J thought of")


def test_a_fault_of_ours_is_one_line_with_what_to_report(lfl_command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lfl.run, "load_model_and_data", fault)
    status, _, err = lfl_command("eval", "run")
    # the place that raised lies in this test file, which is neither lfl's nor installed
    assert status == 1
    assert err.count("\n") == 1
    assert re.search(r"code of yours raised ZeroDivisionError: what nobody\\x1b\[2J .*\(test_app\.py, line \d+\)", err)

    monkeypatch.setattr(app, "_place_in_user_code", lambda error: None)
    status, _, err = lfl_command("eval", "run")
    assert (status, err.count("\n")) == (1, 1)
    assert re.search(r"^lfl: error: unexpected ZeroDivisionError: .* in lfl eval \(lfl \d.*Python 3.*report", err)


@pytest.mark.parametrize("how", ["option", "environment"])
def test_debug_shows_the_traceback(how: str, lfl_command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lfl.run, "load_model_and_data", fault)
    if how == "environment":
        monkeypatch.setenv("LFL_DEBUG", "1")
    status, _, err = lfl_command(*(["--debug"] if how == "option" else []), "eval", "run")
    assert status == 1
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("lfl: error: ")


MODELS = {
    "at import": ("raise OSError('gone')\n", 2, "cannot be imported (OSError: gone)"),
    "not Python": ("def net(\n", 2, "cannot be imported (SyntaxError"),
    "when called": ("def net(shape, outputs):\n    return 1 / 0\n", 2, "raised ZeroDivisionError"),
    "no module": ("def net(shape, outputs):\n    return 1\n", 2, "must return a torch.nn.Module"),
    "in forward": (
        "import torch\n\n\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.w = torch.nn.Linear(64, 10)\n\n    def forward(self, x):\n        raise KeyError('mine')\n\n\n"
        "def net(shape, outputs):\n    return Net()\n",
        1,
        "code of yours raised KeyError: 'mine'",
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_raises_is_told_as_the_user_s(case: str, lfl_command, tmp_path: Path) -> None:
    source, expected, words = MODELS[case]
    name = "own_" + case.replace(" ", "_")
    (tmp_path / f"{name}.py").write_text(source)
    status, _, err = lfl_command("train", *QUICK, "--model", f"{name}:net")
    assert (status, err.count("\n")) == (expected, 1)
    assert words in err
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


def test_letters_that_the_terminal_lacks_are_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several seeds end in a line with ±; ASCII has none."""
    monkeypatch.chdir(tmp_path)
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    monkeypatch.setattr(sys, "argv", ["lfl", "train", *QUICK, "--method", "baseline", "--seeds", "2", "--out", "run"])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 0
    assert re.search(rb"over 2 seeds [\d.]+ \? [\d.]+", ascii_only.buffer.getvalue())


@pytest.mark.slow
def test_no_home_directory(lfl_command, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container under a number that no user has."""

    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_STATE_HOME", "LFL_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert lfl_command("train", *QUICK, "--out", "run")[0] == 0
    assert lfl_command("eval", "run")[0] == 0
    status, _, err = lfl_command("train", *QUICK, "--task", "california")
    assert (status, "no home directory" in err) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("error", [float("inf"), float("nan")])
def test_an_error_that_is_not_finite(error: float, lfl_command, tmp_path: Path) -> None:
    from .test_bad_input import edit

    assert lfl_command("train", *QUICK, "--seeds", "2", "--method", "adalfl", "--out", "runs")[0] == 0
    edit(tmp_path / "runs" / "seed-0" / "result.json", test_error=error, valid_error=error)
    assert lfl_command("report", "runs")[0] == 0
    assert lfl_command("plot", "runs")[0] == 0


def test_the_end_of_a_run_with_an_infinite_error(lfl_command, monkeypatch: pytest.MonkeyPatch) -> None:
    from lfl_cli.common import print_results

    result = lfl.run.Result(Path("nowhere"), "regression", "train", 1, True, np.inf, np.inf, 1.0)
    said: list[str] = []
    monkeypatch.setattr("lfl_cli.common.say", lambda line, **_: said.append(line))
    print_results([result, result._replace(test_error=1.0)])
    assert said[-1] == "over 2 seeds diverged"


@pytest.mark.slow
def test_a_reader_that_leaves_does_not_end_a_training(tmp_path: Path) -> None:
    """`lfl train | head -1`."""
    pipe, said = tmp_path / "pipe", tmp_path / "said"
    os.mkfifo(pipe)
    process = forked(["train", *QUICK, "--out", str(tmp_path / "run")], pipe, said)
    with open(pipe) as reader:
        reader.readline()
    assert status_of(process) == 0
    assert said.read_text() == ""
    assert json.loads((tmp_path / "run" / "result.json").read_text())["completed"]
