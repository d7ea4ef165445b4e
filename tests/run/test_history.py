"""phi over a run: kept, written and read back."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import lfl
from lfl.run import execute, load_history
from lfl.run.history import read_curves
from lfl.task import load_task
from lfl.training import resolve

from ..report.folders import curves


@pytest.mark.slow
def test_it_ends_where_the_run_ended_and_reads_back(tmp_path: Path) -> None:
    task = load_task("digits", Path("unused"))
    settings = resolve(task.defaults, method="adalfl+lr", model="logistic", steps=120, offline_steps=4, batch_size=8)
    folder = execute(task, settings, tmp_path / "run").folder
    history = load_history(folder)
    assert history.steps == [*range(5), *range(0, 121, 2)]
    assert history.phases == ["init"] * 5 + ["train"] * 61
    assert torch.equal(history.phis[4]["0.weight"], history.phis[5]["0.weight"])
    last = load_file(folder / "phi.safetensors")
    assert history.phis[-1].keys() == last.keys() == {"0.weight", "1.weight", "2.weight", "inner_lr"}
    assert all(torch.equal(history.phis[-1][name], last[name]) for name in last)


def test_whole(tmp_path: Path) -> None:
    assert read_curves(tmp_path) is None
    for kind in ("classification", "regression"):
        (tmp_path / "loss_curves.npz").write_bytes(curves(kind))
        found = read_curves(tmp_path)
        assert found is not None
        assert found.kind == kind
        np.testing.assert_allclose(found.curves[1, 0], -2.0 * found.axis**2)


def npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


GOOD = {"axis": np.zeros(3), "phase": np.array(["init"]), "step": np.array([0]), "curves": np.zeros((1, 2, 3))}
DAMAGE = {
    "empty": b"",
    "text": b"not a zip",
    "cut short": curves()[:-100],
    "lacks the steps": npz(**{name: array for name, array in GOOD.items() if name != "step"}),
    "objects that could run code": npz(**(GOOD | {"curves": np.array([print], dtype=object)})),
    "of other lengths": npz(**(GOOD | {"step": np.array([0, 1])})),
    "of three targets": npz(**(GOOD | {"curves": np.zeros((1, 3, 3))})),
    "of no step": npz(axis=np.zeros(3), phase=np.array([], str), step=np.array([]), curves=np.zeros((0, 2, 3))),
    "not finite": npz(**(GOOD | {"curves": np.full((1, 2, 3), np.nan)})),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(damage: str, tmp_path: Path) -> None:
    (tmp_path / "loss_curves.npz").write_bytes(DAMAGE[damage])
    with pytest.raises(lfl.UserError, match=r"loss_curves\.npz (is damaged|does not hold)"):
        read_curves(tmp_path)


def test_of_whole_examples_there_is_one_curve(tmp_path: Path) -> None:
    one = GOOD | {"curves": np.zeros((1, 1, 3))}
    for axis, kind, of_one in (
        (np.linspace(0.01, 0.99, 3), "classification", False),
        (np.linspace(-1, 1, 3), "regression", True),
    ):
        (tmp_path / "loss_curves.npz").write_bytes(npz(**(one | {"axis": axis})))
        found = read_curves(tmp_path)
        assert found is not None
        assert (found.kind, found.of_one_output) == (kind, of_one)
