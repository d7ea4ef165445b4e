"""What is not the folder of a learned loss is named in a line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import lfl
from lfl.run import execute
from lfl.task import load_task
from lfl.training import Progress, learned, resolve


def spoil_history(folder: Path) -> None:
    kept = load_file(folder / "phi_history.safetensors")
    save_file(kept | {"phi.1.weight": torch.zeros(len(kept["step"]), 2, 2)}, folder / "phi_history.safetensors")


def truncate(name: str):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


def edit(**changes: object):
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return spoil


DAMAGE = {
    "no folder": (shutil.rmtree, r"cannot read .*config\.json"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
    "another loss": (edit(loss="taylor-cubic"), "does not fit"),
    "a loss by hand": (edit(loss="focal"), "learned no loss"),
    "no curves": (lambda f: (f / "loss_curves.npz").unlink(), "learned no loss"),
    "curves truncated": (truncate("loss_curves.npz"), r"loss_curves\.npz is damaged"),
    "curves empty": (lambda f: (f / "loss_curves.npz").write_bytes(b""), r"loss_curves\.npz is damaged"),
    "no phi": (lambda f: (f / "phi.safetensors").unlink(), r"cannot read .*phi"),
    "phi truncated": (truncate("phi.safetensors"), "is corrupt"),
}
DAMAGED_HISTORY = {
    "no history": (lambda f: (f / "phi_history.safetensors").unlink(), r"cannot read .*phi_history"),
    "history truncated": (truncate("phi_history.safetensors"), "is corrupt"),
    "history of another loss": (spoil_history, "does not fit"),
}


@pytest.mark.parametrize("damage", DAMAGE | DAMAGED_HISTORY)
def test_damaged_folders_are_named(damage: str, runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["classification"], folder)
    spoil, words = (DAMAGE | DAMAGED_HISTORY)[damage]
    spoil(folder)
    with pytest.raises(lfl.UserError, match=words):
        lfl.AdaptiveLoss(folder)
    if damage in DAMAGE:
        with pytest.raises(lfl.UserError, match=words):
            lfl.load_loss(folder)
    else:
        lfl.load_loss(folder)


def test_a_run_without_a_loss_and_one_that_never_trained_its_model_are_named(tmp_path: Path) -> None:
    task = load_task("digits", Path("unused"))

    def run(method: str, watch=None) -> Path:
        settings = resolve(task.defaults, model="logistic", method=method, steps=2, offline_steps=4, batch_size=8)
        return execute(task, settings, tmp_path / method, watch).folder

    def interrupt(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(lfl.UserError, match=r"learned no loss \(method baseline\)"):
        lfl.load_loss(run("baseline"))
    early = run("adalfl", interrupt)
    lfl.load_loss(early)
    with pytest.raises(lfl.UserError, match="ended before its model trained"):
        lfl.AdaptiveLoss(early)


@pytest.mark.parametrize("name", ["residual", "residual-network", "weight-net", "true-class", "vector-scaling"])
def test_each_loss_of_a_run_is_read_as_it_was_learned(name: str, tmp_path: Path) -> None:
    """Its values at the run's number of classes, against phi as it was written."""
    task = load_task("digits", Path("unused"))
    asked = {"model": "logistic", "steps": 4, "offline_steps": 0, "batch_size": 8, "meta_every": 1, "outer_lr": 1e-2}
    settings = resolve(task.defaults, method="residual", loss=name, **asked)
    run = execute(task, settings, tmp_path / "run").folder
    drawn = learned(task, settings, settings.seed).loss_fn
    outputs, ids = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)), torch.arange(6)
    expected = drawn(load_file(run / "phi.safetensors"), outputs, ids).mean()
    torch.testing.assert_close(lfl.load_loss(run)(outputs, ids), expected)
