"""`lfl.train` makes the run folders that `lfl train` makes."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lfl_cli.app import main
from safetensors.torch import load_file

import lfl
from lfl.api import train_seeds
from lfl.run import resume
from lfl.training import Progress

SMALL = {"model": "logistic", "steps": 20, "offline_steps": 4, "batch_size": 8, "checkpoint_every": 3, "device": "cpu"}
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run by name, but for the clock and the picture that the command draws."""
    files = (path for path in folder.rglob("*") if path.is_file())
    left_out = {"timing.jsonl", "losses.png"}
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name not in left_out}


def lfl_train(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lfl", "train", *FLAGS, *flags])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


CASES = {
    "the defaults": ({}, []),
    "a baseline at its best step": (
        {"method": "baseline", "inner_lr": 0.5, "keep": "best", "seed": 3},
        ["--method=baseline", "--inner-lr=0.5", "--keep=best", "--seed=3"],
    ),
    "dirty real values": (
        {"task": "diabetes", "method": "residual", "outliers": "uniform:0.3", "valid_size": 50},
        ["--task=diabetes", "--method=residual", "--outliers=uniform:0.3", "--valid-size=50"],
    ),
    "two seeds": ({"seeds": [1, 2]}, ["--seed=1", "--seeds=2"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_folder_is_that_of_the_command(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, flags = CASES[case]
    assert lfl_train(monkeypatch, *flags, "--out", str(tmp_path / "command")) == 0
    if "seeds" in settings:
        runs = train_seeds(settings["seeds"], out=tmp_path / "python", **(SMALL | {"seed": 1}))
        assert [run.folder.name for run in runs] == ["seed-1", "seed-2"]
        assert [run.settings.seed for run in runs] == [1, 2]
    else:
        assert lfl.train(out=tmp_path / "python", **(SMALL | settings)).folder == tmp_path / "python"
    assert contents(tmp_path / "python") == contents(tmp_path / "command")


def test_progress_is_called_with_each_step(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def progress(step: Progress) -> None:
        seen.append((step.phase.name, step.step))

    lfl.train(out=tmp_path / "run", progress=progress, **SMALL)
    assert seen == [("init", step) for step in range(5)] + [("train", step) for step in range(21)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None])
def test_an_interrupted_run_leaves_a_checkpoint_and_is_resumed_to_the_same_bytes(
    number: signal.Signals | None, tmp_path: Path
) -> None:
    lfl.train(out=tmp_path / "whole", **SMALL)

    def stop(step: Progress) -> None:
        if (step.phase.name, step.step) == ("train", 10):
            if number is None:
                raise KeyboardInterrupt
            os.kill(os.getpid(), number)

    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt, match=r"stopped at step 10 of phase train; lfl resume"):
        lfl.train(out=folder, progress=stop, **SMALL)
    stopped = lfl.load_run(folder)
    assert stopped.result is not None
    assert (stopped.result.completed, stopped.result.step) == (False, 10)
    assert [row["step"] for row in stopped.metrics() if row["phase"] == "train"] == list(range(1, 11))
    assert any((folder / "checkpoints").iterdir())
    resume(folder)
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_signal_at_the_last_step_is_not_lost(tmp_path: Path) -> None:
    def stop(step: Progress) -> None:
        if (step.phase.name, step.step) == ("train", 20):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="is complete"):
        lfl.train(out=tmp_path / "run", progress=stop, **SMALL)
    result = lfl.load_run(tmp_path / "run").result
    assert result is not None
    assert result.completed


def test_an_error_of_the_callback_comes_through(tmp_path: Path) -> None:
    def fail(step: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lfl.train(out=tmp_path / "run", progress=fail, **SMALL)
    assert not (tmp_path / "run").exists()


def test_arrays_train_as_a_task(tmp_path: Path) -> None:
    """A run on a `Task` object predicts its rows, and is opened again beside the same object."""
    g = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], 100)
    x = g.normal(size=(200, 2)) + 4.0 * (y == "yes")[:, None]
    task = lfl.task_from_arrays(x, y, name="mine")
    run = lfl.train(task, method="baseline", out=tmp_path / "run", **(SMALL | {"steps": 200, "inner_lr": 0.1}))
    assert run.classes == ["no", "yes"]
    assert (np.array(run.classes)[run.predict(x).argmax(1)] == y).mean() > 0.95
    assert run.task.name == run.settings.task == "mine"
    again = lfl.load_run(run.folder, task=task)
    assert torch.equal(again.task.test.x, task.test.x)
    with pytest.raises(lfl.UserError, match="unknown task 'mine'"):
        _ = lfl.load_run(run.folder).task
    with pytest.raises(lfl.UserError, match=r"target is set where a Task is made, got 'y'"):
        lfl.train(task, target="y", out=tmp_path / "other")


def test_wrong_names_are_named(tmp_path: Path) -> None:
    for wrong, words in (
        ({"stepps": 3}, "'stepps' is not a setting; did you mean 'steps'"),
        ({"seeds": 3}, "'seeds' is not a setting"),
        ({"task": "digit"}, "unknown task 'digit'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"steps": 0}, "--steps must be"),
    ):
        with pytest.raises(lfl.UserError, match=words):
            lfl.train(out=tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


def test_what_another_run_learned_is_trained_on(tmp_path: Path) -> None:
    first = lfl.train(out=tmp_path / "first", method="ml3", **SMALL)
    second = lfl.train(out=tmp_path / "second", method="fixed", loss_from=first.folder, **SMALL)
    assert second.phi is not None
    assert first.phi is not None
    assert all(torch.equal(tensor, first.phi[name]) for name, tensor in second.phi.items())
    assert load_file(second.folder / "phi.safetensors").keys() == second.phi.keys()


def test_torch_s_precision_is_as_before(tmp_path: Path) -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        lfl.train(out=tmp_path / "run", method="baseline", **SMALL)
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
