"""A shared loss is read as it was written, a stranger's folder is data, and nobody's paths are told."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import lfl
from lfl.export import FixedLoss, export_loss
from lfl.loss import REPRESENTATIONS, draw_loss
from lfl.run import execute
from lfl.task import load_task
from lfl.training import resolve


def batch_of(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    if kind == "classification":
        return torch.randn(6, 10, generator=draws), torch.arange(6)
    return torch.rand(6, 1, generator=draws), torch.rand(6, 1, generator=draws)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_run_shared_is_the_run_itself(kind: str, runs: dict[str, Path], tmp_path: Path) -> None:
    expected = lfl.load_loss(runs[kind])
    expected.save_pretrained(tmp_path / "loss")
    found = lfl.load_loss(str(tmp_path / "loss"), reduction="none")
    assert {path.name for path in (tmp_path / "loss").iterdir()} == {
        *("config.json", "loss.safetensors", "README.md", "curve.png")
    }
    assert torch.equal(found(*batch_of(kind)).mean(), expected(*batch_of(kind)))
    phi = load_file(tmp_path / "loss" / "loss.safetensors")
    assert "inner_lr" not in phi
    assert phi.keys() == expected.current_phi().keys()
    found.save_pretrained(tmp_path / "again")
    for path in (tmp_path / "loss").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_every_form_comes_back(name: str, kind: Any, tmp_path: Path) -> None:
    if name in ("true-class", "vector-scaling") and kind == "regression":
        with pytest.raises(lfl.UserError, match="for classes"):
            draw_loss(name, kind, num_outputs=1, generator=torch.Generator())
        return
    outputs, targets = batch_of(kind)
    phi, loss_fn = draw_loss(name, kind, num_outputs=outputs.shape[1], generator=torch.Generator().manual_seed(0))
    loss = FixedLoss(loss_fn, phi, about={"loss": name, "num_outputs": outputs.shape[1]})
    loss.save_pretrained(tmp_path / "loss")
    assert torch.equal(lfl.load_loss(tmp_path / "loss")(outputs, targets), loss(outputs, targets))
    text = (tmp_path / "loss" / "README.md").read_text()
    assert f"Form: {name}" in text
    assert "Nothing is noted about that." in text


def test_provenance_is_told_without_anybodys_paths(tmp_path: Path) -> None:
    task = load_task("digits", Path("unused"))
    small: dict[str, Any] = {"model": "logistic", "steps": 3, "offline_steps": 2, "batch_size": 8}
    own = "/home/someone/private/table.csv"
    run = execute(task, resolve(task.defaults, task=own, label_noise="pair:0.2", **small), tmp_path / "run").folder
    lfl.load_loss(run, trust=True).save_pretrained(tmp_path / "loss")
    config = json.loads((tmp_path / "loss" / "config.json").read_text())
    told, result = config["learned"], json.loads((run / "result.json").read_text())
    assert (told["settings"]["task"], told["settings"]["steps"]) == ("table.csv", 3)
    assert (told["test_error"], told["step"]) == (result["test_error"], 3)
    assert told["versions"]["torch"] == torch.__version__
    card = (tmp_path / "loss" / "README.md").read_text()
    assert "| label noise | pair:0.2 |" in card
    assert f"| test error | {result['test_error']:.4f} |" in card
    for path in (tmp_path / "loss").iterdir():
        assert b"someone" not in path.read_bytes()


def test_the_formula_of_the_card_is_that_of_lfl_export(runs: dict[str, Path], tmp_path: Path) -> None:
    lfl.load_loss(runs["regression"]).save_pretrained(tmp_path / "loss")
    shown = re.findall(r"  python  (.*)", (tmp_path / "loss" / "README.md").read_text())
    export_loss(runs["regression"], "sympy", tmp_path / "loss.txt")
    assert shown == re.findall(r"  python  (.*)", (tmp_path / "loss.txt").read_text())
    assert len(shown) == 1


def test_what_is_there_stays(runs: dict[str, Path], tmp_path: Path) -> None:
    loss = lfl.load_loss(runs["regression"])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    with pytest.raises(lfl.UserError, match="is there, and not the folder of a loss"):
        loss.save_pretrained(tmp_path / "full")
    with pytest.raises(lfl.UserError, match="is there, and not the folder of a loss"):
        loss.save_pretrained(runs["classification"])
    (tmp_path / "file").write_text("")
    with pytest.raises(lfl.UserError, match="is a file, or lies beneath one"):
        loss.save_pretrained(tmp_path / "file")
    loss.save_pretrained(tmp_path / "loss")
    lfl.load_loss(runs["classification"]).save_pretrained(tmp_path / "loss")  # another loss goes over it
    assert lfl.load_loss(tmp_path / "loss").loss_fn.kind == "classification"


def test_a_loss_that_does_not_say_how_it_is_made(tmp_path: Path) -> None:
    phi, loss_fn = lfl.loss_network("regression", generator=torch.Generator().manual_seed(0))
    with pytest.raises(lfl.UserError, match="does not say how it is made"):
        FixedLoss(loss_fn, phi).save_pretrained(tmp_path / "loss")
    for about in ({}, {"loss": 3}, {"loss": "network", "num_outputs": 0}):
        with pytest.raises(lfl.UserError, match="what is known about this loss is damaged"):
            FixedLoss(loss_fn, phi, about=about).save_pretrained(tmp_path / "loss")
    assert not (tmp_path / "loss").exists()


def edit(**changes: Any) -> Any:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return spoil


def spoil_phi(value: torch.Tensor) -> Any:
    def spoil(folder: Path) -> None:
        phi = load_file(folder / "loss.safetensors")
        save_file(phi | {"0.weight": value}, folder / "loss.safetensors")

    return spoil


def link(folder: Path) -> None:
    (folder / "loss.safetensors").rename(folder.parent / "elsewhere")
    (folder / "loss.safetensors").symlink_to(folder.parent / "elsewhere")


DAMAGE = {
    "a later format": (edit(format=2), r"config\.json is damaged"),
    "an unknown form": (edit(loss="magic"), "learned no loss"),
    "another form": (edit(loss="taylor-cubic"), "does not fit"),
    "another kind": (edit(kind="ranking"), "--kind"),
    "outputs beyond measure": (edit(loss="vector-scaling", num_outputs=2**40), r"config\.json is damaged"),
    "no phi": (lambda f: (f / "loss.safetensors").unlink(), "learned no loss"),
    "phi cut short": (lambda f: (f / "loss.safetensors").write_bytes(b"123"), "corrupt"),
    "phi of another shape": (spoil_phi(torch.zeros(2)), "does not fit"),
    "phi not finite": (spoil_phi(torch.full((40, 2), torch.nan)), "not finite"),
    "no configuration": (lambda f: (f / "config.json").unlink(), "cannot read"),
    "a link": (link, "is a symbolic link"),
    "a strangers' code": (edit(loss="evil:loss"), "asks to run the code of the loss evil:loss"),
    "a strangers' base": (edit(loss="residual", base="evil:base"), "asks to run the code of the base evil:base"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_hostile_folder_is_refused(
    damage: str, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('ran').write_text('')\n")
    lfl.load_loss(runs["classification"]).save_pretrained("loss")
    spoil, words = DAMAGE[damage]
    spoil(tmp_path / "loss")
    with pytest.raises(lfl.UserError, match=words):
        lfl.load_loss("loss")
    assert not (tmp_path / "ran").exists()


OWN = """
import torch

def loss(kind, num_outputs, generator):
    phi = {"scale": torch.ones(())}
    return phi, lambda phi, outputs, targets: phi["scale"] * torch.nn.functional.cross_entropy(
        outputs, targets, reduction="none")
"""


def test_code_of_ones_own_runs_where_it_was_shared_or_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_shared_loss.py").write_text(OWN)
    name = "own_shared_loss:loss"
    phi, loss_fn = draw_loss(name, "classification", num_outputs=10, generator=torch.Generator())
    loss = FixedLoss(loss_fn, phi, about={"loss": name, "num_outputs": 10})
    loss.save_pretrained("mine")
    shutil.copytree("mine", "sent")
    expected = loss(*batch_of("classification"))
    with pytest.raises(lfl.UserError, match="was not made here and asks to run the code of the loss"):
        lfl.load_loss("sent")
    with pytest.raises(lfl.UserError, match="give the same"):
        lfl.load_loss("sent", loss="other:loss")
    for found in (lfl.load_loss("mine"), lfl.load_loss("sent", loss=name), lfl.load_loss("sent", trust=True)):
        assert torch.equal(found(*batch_of("classification")), expected)
