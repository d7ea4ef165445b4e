"""Run folders: whole, repeatable byte for byte, readable back, and never half-written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import lfl
from lfl.run import execute, execute_seeds, load_model_and_data
from lfl.run import test_error as error_on_test
from lfl.task import load_task
from lfl.training import Progress, resolve

TASKS = {name: load_task(name, Path("unused")) for name in ("digits", "diabetes")}


def run(out: Path, task: str = "digits", watch=None, **asked):
    small = {"model": "logistic", "steps": 8, "offline_steps": 4, "batch_size": 16}
    return execute(TASKS[task], resolve(TASKS[task].defaults, task=task, **(small | asked)), out, watch)


@pytest.mark.parametrize("method", ["baseline", "ml3", "adalfl"])
@pytest.mark.parametrize("task", ["digits", "diabetes"])
def test_a_run_leaves_a_whole_folder_and_loads_back(task: str, method: str, tmp_path: Path) -> None:
    result = run(tmp_path / "run", task, method=method)
    files = {
        "config.json",
        "encoding.json",
        "metrics.jsonl",
        "timing.jsonl",
        "theta.safetensors",
        "buffers.safetensors",
        "result.json",
    }
    learned = {"phi.safetensors", "phi_history.safetensors", "loss_curves.npz"} if method != "baseline" else set()
    assert {p.name for p in result.folder.iterdir()} == files | learned
    config = json.loads((result.folder / "config.json").read_text())
    assert config["outer_lr"] == 1e-5
    assert config["versions"]["torch"] == torch.__version__
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["phase"] == "train"] == list(range(1, 9))
    assert all(np.isfinite([v for v in line.values() if isinstance(v, float)]).all() for line in lines)
    assert error_on_test(*load_model_and_data(result.folder, tmp_path)) == result.test_error
    if learned:
        curves = np.load(result.folder / "loss_curves.npz")
        assert curves["curves"].shape[1:] == ((2 if task == "digits" else 1), 101)
        assert curves["phase"].tolist() == ["init"] * 5 + ["train"] * 9


def test_repeats_byte_for_byte_but_for_the_clock(tmp_path: Path) -> None:
    first, second = (run(tmp_path / name).folder for name in ("a", "b"))
    for path in first.iterdir():
        if path.name != "timing.jsonl":
            assert path.read_bytes() == (second / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_seeds_together_leave_the_folders_that_they_leave_alone(tmp_path: Path) -> None:
    settings = resolve(TASKS["digits"].defaults, model="logistic", steps=8, offline_steps=4, batch_size=16)
    results = execute_seeds(TASKS["digits"], settings, [2, 5], tmp_path / "both")
    for seed, result in zip((2, 5), results, strict=True):
        alone = run(tmp_path / str(seed), seed=seed)
        assert {p.name for p in result.folder.iterdir()} == {p.name for p in alone.folder.iterdir()}
        assert result.test_error == alone.test_error
        for name in ("theta.safetensors", "phi.safetensors"):
            a, b = (load_file(folder / name) for folder in (result.folder, alone.folder))
            for key in a:
                torch.testing.assert_close(a[key], b[key], rtol=1e-5, atol=1e-6)
        a, b = ((folder / "metrics.jsonl").read_text().splitlines() for folder in (result.folder, alone.folder))
        for x, y in zip(map(json.loads, a), map(json.loads, b), strict=True):
            assert x.pop("phase") == y.pop("phase")
            assert x == pytest.approx(y, rel=1e-4)
        assert json.loads((result.folder / "config.json").read_text())["seed"] == seed


def test_a_seed_that_diverges_takes_the_whole_folder_along(tmp_path: Path) -> None:
    settings = resolve(TASKS["digits"].defaults, model="logistic", steps=8, method="baseline", inner_lr=1e38)
    with pytest.raises(lfl.Failure, match="lower --inner-lr"):
        execute_seeds(TASKS["digits"], settings, [0, 1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_count_up_and_are_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [run(None, steps=1, offline_steps=0, method="baseline").folder for _ in range(2)]
    assert [str(f) for f in folders] == ["runs/digits-logistic-baseline-1", "runs/digits-logistic-baseline-2"]
    with pytest.raises(lfl.UserError, match="exists already"):
        run(folders[0])
    (tmp_path / "file").write_text("")
    with pytest.raises(lfl.UserError, match="beneath a file"):
        run(tmp_path / "file" / "run")
    assert (folders[0] / "result.json").is_file()


def test_an_interrupt_saves_what_was_learned(tmp_path: Path) -> None:
    kept = {}

    def interrupt(progress: Progress) -> None:
        if progress.phase.name == "train" and progress.step == 5:
            kept.update(progress.state.theta)
            raise KeyboardInterrupt

    result = run(tmp_path / "run", watch=interrupt)
    assert (result.completed, result.phase, result.step) == (False, "train", 5)
    saved = load_file(tmp_path / "run" / "theta.safetensors")
    assert all(torch.equal(saved[name], kept[name]) for name in kept)
    model, task = load_model_and_data(tmp_path / "run", tmp_path)
    assert not model.completed
    assert error_on_test(model, task) == result.test_error


def test_a_failed_run_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(lfl.Failure, match="lower --inner-lr"):
        run(tmp_path / "run", method="baseline", inner_lr=1e38)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    def fill(progress: Progress) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(lfl.Failure, match=r"No space left on device.*make room"):
        run(tmp_path / "run", watch=fill)
    assert not (tmp_path / "run").exists()


DAMAGE = {
    "no folder": (lambda f: shutil.rmtree(f), "no such folder"),
    "no config": (lambda f: (f / "config.json").unlink(), r"cannot read .*config\.json"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
    "config a list": (lambda f: (f / "config.json").write_text("[]"), "Expected `object`, got `array`"),
    "config lacks": (lambda f: (f / "config.json").write_text("{}"), "lacks batch_size"),
    "no theta": (lambda f: (f / "theta.safetensors").unlink(), r"cannot read .*theta"),
    "theta truncated": (
        lambda f: (f / "theta.safetensors").write_bytes((f / "theta.safetensors").read_bytes()[:-7]),
        "is corrupt",
    ),
    "theta empty": (lambda f: (f / "theta.safetensors").write_bytes(b""), "is corrupt"),
    "theta of another model": (
        lambda f: save_file({"1.weight": torch.zeros(2, 2)}, f / "theta.safetensors"),
        r"does not fit the model.*1\.bias must be \[10\] of float32, got absent",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_folders_are_named(damage: str, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", method="baseline", steps=1).folder
    spoil, words = DAMAGE[damage]
    spoil(folder)
    with pytest.raises(lfl.UserError, match=words):
        load_model_and_data(folder, tmp_path)
