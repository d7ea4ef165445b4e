"""`lfl export` as a person meets it."""

import sys
from functools import partial
from pathlib import Path

import pytest

from lfl.run import execute
from lfl.task import load_task
from lfl.training import resolve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned a loss, `run`, and one that did not, `baseline`."""
    task = load_task("digits", Path("unused"))
    here = tmp_path_factory.mktemp("here")
    for name, method in (("run", "ml3"), ("baseline", "baseline")):
        execute(task, resolve(task.defaults, model="logistic", method=method, steps=2, offline_steps=3), here / name)
    (here / "file").write_text("")
    return here


@pytest.fixture
def export(folder: Path, lfl_command, monkeypatch: pytest.MonkeyPatch):
    """`lfl_command` of `lfl export`, beside the runs."""
    monkeypatch.chdir(folder)
    return partial(lfl_command, "export")


@pytest.mark.slow
def test_each_form_is_written_where_it_is_said(export, folder: Path) -> None:
    assert export("run", "--to", "torch") == (0, "torch run/loss.pt2\n", "")
    assert export("run", "--to", "onnx", "-o", "new/l.onnx", "--reduction", "none") == (0, "onnx new/l.onnx\n", "")
    status, out, err = export("run", "--to", "sympy", "--out", "loss.txt")
    assert (status, err) == (0, "")
    assert out == f"{(folder / 'loss.txt').read_text()}\nsympy loss.txt\n"
    assert out.startswith("the loss of run, ")
    assert export("run", "--to", "folder", "-o", "shared") == (0, "folder shared\n", "")
    assert (folder / "shared" / "loss.safetensors").is_file()
    assert export("robust-classification", "--to", "torch")[:2] == (0, "torch robust-classification.pt2\n")
    for name in ("run/loss.pt2", "new/l.onnx"):
        assert (folder / name).stat().st_size > 5000


BAD_INPUT = {
    "unknown form": (["run", "--to", "tensorflow"], 2, "choose one of: torch, onnx, sympy"),
    "no form": (["run"], 2, "'--to'"),
    "no run": (["--to", "onnx"], 2, "see lfl --help"),
    "unknown reduction": (["run", "--to", "onnx", "--reduction", "max"], 2, "choose one of: mean, sum, none"),
    "a run that is not there": (["nowhere", "--to", "sympy"], 2, "cannot read nowhere/config.json"),
    "a run without a loss": (["baseline", "--to", "torch"], 2, "learned no loss (method baseline)"),
    "a path beneath a file": (["run", "--to", "torch", "-o", "file/loss.pt2"], 2, "lies beneath a file"),
    "a folder for a file": (["run", "--to", "torch", "-o", "run"], 2, "is a folder"),
    "a disk that refuses": (["run", "--to", "sympy", "-o", "/proc/loss.txt"], 1, "cannot write /proc/loss.txt"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_ends_in_a_line(case: str, export, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    arguments, expected, words = BAD_INPUT[case]
    status, out, err = export(*arguments)
    assert (status, out) == (expected, "")
    assert words in err
    assert err.startswith("lfl: error: ")
    assert err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_missing_packages_are_named(export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    status, _, err = export("run", "--to", "onnx", "-o", "missing.onnx")
    assert (status, err.count("\n")) == (1, 1)
    assert "pip install 'lfl[onnx]'" in err
