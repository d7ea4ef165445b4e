"""Files: whole, where they were asked for, or not there."""

from pathlib import Path

import pytest
import torch

import lfl
from lfl.handover.export import SUFFIXES, export

from .test_fixed import batch_of


def test_by_default_a_file_lies_in_the_run_folder(runs: dict[str, Path]) -> None:
    path = export(runs["classification"], "torch")
    assert path == runs["classification"] / "loss.pt2"
    batch = batch_of("classification")
    torch.testing.assert_close(torch.export.load(path).module()(*batch), lfl.load_loss(runs["classification"])(*batch))
    path.unlink()


def test_a_formula_is_written_as_text_into_new_folders(runs: dict[str, Path], tmp_path: Path) -> None:
    path = export(runs["regression"], "sympy", tmp_path / "a" / "b" / "loss.txt")
    text = path.read_text()
    assert text.startswith(f"the loss of {runs['regression']}")
    assert text.count("python  lambda e: ") == text.count("latex ") == text.count("sympy ") == 1
    assert [p.name for p in path.parent.iterdir()] == ["loss.txt"]
    assert export(runs["regression"], "sympy", path).read_text() == text


@pytest.mark.parametrize("to", SUFFIXES)
def test_paths_that_cannot_be_files_are_named(to: str, runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lfl.UserError, match="beneath a file"):
        export(runs["regression"], to, tmp_path / "file" / "a" / "loss")
    with pytest.raises(lfl.UserError, match="is a folder"):
        export(runs["regression"], to, tmp_path)
    with pytest.raises(lfl.UserError, match="choose one of: torch, onnx, sympy"):
        export(runs["regression"], "tensorflow", tmp_path / "loss")
    assert [p.name for p in tmp_path.rglob("*")] == ["file"]


def test_a_disk_that_refuses_is_a_failure(runs: dict[str, Path]) -> None:
    with pytest.raises(lfl.Failure, match=r"cannot write /proc/loss\.txt .*choose another -o"):
        export(runs["regression"], "sympy", Path("/proc/loss.txt"))
