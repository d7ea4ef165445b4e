"""A run folder from somebody else is data: no command runs code, or reads data elsewhere, that was not named in it."""

import json
import os
import shutil
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

import lfl
from lfl.run import execute, load_data, load_model, load_model_and_data, resume
from lfl.run.trust import MADE_HERE
from lfl.task import load_task
from lfl.training import resolve

from .conftest import SMALL, stop

EVIL = "open('exploded', 'w').close()\n\n\ndef net(shape, outputs):\n    raise ValueError\n"
GOOD = """
import torch


def net(shape, outputs):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, outputs))
"""


@pytest.fixture
def foreign(runs: Path, tmp_path: Path) -> Path:
    """Copies of both in the working folder, as if somebody had sent them."""
    for name in ("done", "stopped"):
        shutil.copytree(runs / name, tmp_path / name)
    return tmp_path


def change(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


COMMANDS = {
    "eval": ["eval", "done"],
    "predict": ["predict", "done", "--input", "x.npz", "-o", "out.csv"],
    "suspects": ["suspects", "done", "-o", "out.csv"],
    "resume": ["resume", "stopped"],
    "train --config": ["train", "--config", "done/config.json", "--out", "again"],
}
MODELS = {"a command of the system": "subprocess:call", "a file in the folder": "done.evil:net"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_the_code_that_a_folder_names(command: str, model: str, foreign: Path, lfl_command) -> None:
    np.savez(foreign / "x.npz", x=np.zeros((2, 8, 8)))
    (foreign / "done" / "evil.py").write_text(EVIL)
    for name in ("done", "stopped"):
        change(foreign / name, model=MODELS[model])
        path = foreign / name / "encoding.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"input_shape": ["touch", "exploded"]}))
    sys.modules.pop("done.evil", None)
    status, _, err = lfl_command(*COMMANDS[command])
    assert status == 2
    assert f"asks to run the code of the model {MODELS[model]}" in err
    assert "--trust" in err
    assert err.count("\n") == 1
    assert not (foreign / "exploded").exists()
    assert not {"again", "out.csv"} & set(os.listdir(foreign))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["plot", "report", "export", "fixed", "load_loss", "AdaptiveLoss"])
def test_what_needs_no_model_runs_none(command: str, foreign: Path, lfl_command) -> None:
    (foreign / "evil.py").write_text(EVIL)
    change(foreign / "done", model="evil:net")
    sys.modules.pop("evil", None)
    arguments = {
        "plot": ["plot", "done"],
        "report": ["report", "done"],
        "export": ["export", "done", "--to", "torch"],
        "fixed": ["train", "--method", "fixed", "--loss-from", "done", "--steps", "2", "--model", "logistic"],
    }
    if command in arguments:
        status, _, err = lfl_command(*arguments[command])
        assert (status, err) == (0, "")
    else:
        getattr(lfl, command)(foreign / "done")
    assert "evil" not in sys.modules
    assert not (foreign / "exploded").exists()


@pytest.mark.slow
@pytest.mark.parametrize("objective", MODELS.values())
@pytest.mark.parametrize("command", COMMANDS)
def test_an_objective_is_code_to_what_trains_and_nothing_to_the_rest(
    command: str, objective: str, foreign: Path, lfl_command
) -> None:
    np.savez(foreign / "x.npz", x=np.zeros((2, 8, 8)))
    (foreign / "done" / "evil.py").write_text(EVIL)
    for name in ("done", "stopped"):
        change(foreign / name, objective=objective)
    sys.modules.pop("done.evil", None)
    status, _, err = lfl_command(*COMMANDS[command])
    assert not (foreign / "exploded").exists()
    if command in ("eval", "predict", "suspects"):
        assert (status, err) == (0, "")
    else:
        assert status == 2
        assert f"asks to run the code of the objective {objective}" in err
        assert f"give --objective {objective}, or --trust" in err
        assert err.count("\n") == 1


@pytest.mark.slow
def test_a_run_judged_by_a_function_of_one_s_own_goes_on_where_it_is_named(tmp_path: Path, lfl_command) -> None:
    (tmp_path / "mine_to_judge.py").write_text("from lfl import brier\n")
    quick = ["--model", "logistic", "--steps", "3", "--offline-steps", "2", "--batch-size", "8"]
    own = ["--objective", "mine_to_judge:brier"]
    assert lfl_command("train", *quick, *own, "--out", "run")[0] == 0
    config = tmp_path / "run" / "config.json"
    assert json.loads(config.read_text())["objective"] == "mine_to_judge:brier"
    shutil.copytree(tmp_path / "run", tmp_path / "sent")
    again = ["train", "--config", "sent/config.json"]
    assert lfl_command(*again, "--out", "a")[0] == 2
    assert lfl_command(*again, *own, "--out", "b")[0] == 0
    assert lfl_command(*again, "--trust", "--out", "c")[0] == 0
    assert lfl_command("eval", "sent")[0] == 0
    (tmp_path / "sent" / "result.json").unlink()
    status, _, err = lfl_command("resume", "sent", "--objective", "other:function")
    assert (status, "has the objective mine_to_judge:brier" in err) == (2, True)
    assert lfl_command("resume", "sent", *own)[0] == 0
    first, second, third = ((tmp_path / n / "theta.safetensors").read_bytes() for n in ("run", "b", "sent"))
    assert first == second == third


def test_python_s_own_loaders_refuse_too(foreign: Path) -> None:
    for name in ("done", "stopped"):
        change(foreign / name, model="subprocess:call")
    for load in (
        lambda: load_model_and_data(foreign / "done"),
        lambda: load_model(foreign / "done"),
        lambda: resume(foreign / "stopped"),
    ):
        with pytest.raises(lfl.UserError, match=r"run the code of the model subprocess:call.*trust=True"):
            load()


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("exploded", "w")


def test_a_data_folder_in_the_settings_is_not_unpickled(
    foreign: Path, lfl_command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LFL_DATA", raising=False)
    pickled = foreign / "done" / "data" / "scikit_learn_data" / "cal_housing_py3.pkz"
    pickled.parent.mkdir(parents=True)
    joblib.dump(Bomb(), pickled)
    for name in ("done", "stopped"):
        change(foreign / name, task="california", data_dir="done/data")
    for arguments in (["resume", "stopped"], ["train", "--config", "done/config.json", "--method", "baseline"]):
        status, _, err = lfl_command(*arguments)
        assert (status, "asks to read data in done/data" in err) == (2, True)
    for data in ("done", "stopped"):
        with pytest.raises(lfl.UserError, match="asks to read data in"):
            load_data(foreign / data)
    change(foreign / "done", task="own.npz")
    status, _, err = lfl_command("train", "--config", "done/config.json", "--task", "california")
    assert (status, "asks to read data in done/data" in err) == (2, True)
    assert not (foreign / "exploded").exists()


def test_data_of_one_s_own_are_read_where_they_are_named(foreign: Path, lfl_command) -> None:
    secret = foreign / "secret.npz"
    digits = load_task("digits", foreign)
    np.savez(secret, x_train=digits.train.x.numpy()[:200], y_train=digits.train.y.numpy()[:200])
    change(foreign / "done", task="secret.npz", data=None)
    status, _, err = lfl_command("eval", "done")
    assert (status, "asks to read secret.npz" in err) == (2, True)
    for flag in (["--task", "secret.npz"], ["--trust"]):
        status, out, err = lfl_command("eval", "done", *flag)
        assert (status, err) == (0, "")
        assert out.startswith("test error")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["eval", "resume", "train --config"])
def test_clean_data_of_one_s_own_are_read_where_they_are_named(command: str, foreign: Path, lfl_command) -> None:
    digits = load_task("digits", foreign)
    x, y = digits.train.x.numpy(), digits.train.y.numpy()
    np.savez(foreign / "own.npz", x_train=x[:200], y_train=y[:200])
    np.savez(foreign / "secret.npz", x=x[200:230], y=y[200:230])
    own = {"task": "own.npz", "valid": "secret.npz"}
    for name, watch in (("done", None), ("stopped", stop)):
        shutil.rmtree(foreign / name)
        task = load_task("own.npz", foreign, valid="secret.npz")
        execute(task, resolve(task.defaults, model="logistic", **own, **SMALL), foreign / "here", watch)
        shutil.move(foreign / "here", foreign / name)
    arguments = [*COMMANDS[command], "--task", "own.npz"]
    status, _, err = lfl_command(*arguments)
    assert (status, "asks to read secret.npz" in err) == (2, True)
    assert "give --valid secret.npz, or --trust" in err
    assert not (foreign / "again").exists()
    status, _, err = lfl_command(*arguments, "--valid", "secret.npz")
    assert (status, err) == (0, "")
    if command == "eval":
        assert lfl_command(*arguments, "--trust")[0] == 0
        shutil.move(foreign / "secret.npz", foreign / "moved.npz")
        assert lfl_command(*arguments, "--valid", "moved.npz")[0] == 0
        status, _, err = lfl_command(*arguments, "--valid", "own.npz")
        assert (status, "own.npz lacks x and y" in err) == (2, True)


@pytest.mark.slow
def test_what_was_made_here_goes_on_by_itself(tmp_path: Path, lfl_command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of one's own on data of one's own is trained, measured and repeated without naming either again."""
    home = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    (tmp_path / "mine_here.py").write_text(GOOD)
    digits = load_task("digits", tmp_path)
    np.savez(tmp_path / "own.npz", x_train=digits.train.x.numpy()[:200], y_train=digits.train.y.numpy()[:200])
    own = ["--task", "own.npz", "--model", "mine_here:net", "--steps", "3", "--offline-steps", "2", "--batch-size", "8"]
    assert lfl_command("train", *own, "--out", "run")[0] == 0
    kept = home / "lfl" / MADE_HERE
    assert kept.stat().st_mode & 0o077 == 0
    assert lfl_command("eval", "run")[0] == 0
    assert lfl_command("train", "--config", "run/config.json", "--out", "again")[0] == 0

    shutil.move(tmp_path / "run", tmp_path / "moved")  # another place is another folder
    status, _, err = lfl_command("eval", "moved")
    assert (status, "--model mine_here:net --task own.npz, or --trust" in err) == (2, True)
    assert lfl_command("eval", "moved", "--model", "mine_here:net", "--task", "own.npz")[0] == 0
    status, _, err = lfl_command("eval", "moved", "--model", "other:net", "--task", "own.npz")
    assert (status, "give the same" in err) == (2, True)

    change(tmp_path / "again", model="subprocess:call")  # and so is one that asks for something else
    assert lfl_command("eval", "again")[0] == 2
    change(tmp_path / "again", model="mine_here:net")
    assert lfl_command("eval", "again")[0] == 0
    kept.chmod(0o666)  # whoever could write it could have forged it
    assert lfl_command("eval", "again")[0] == 2


def test_a_home_that_cannot_be_written_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_there.py").write_text(GOOD)
    task = load_task("digits", tmp_path)
    execute(task, resolve(task.defaults, model="mine_there:net", **SMALL), tmp_path / "run")
    with pytest.raises(lfl.UserError, match="--model mine_there:net, or --trust"):
        load_model_and_data(tmp_path / "run")
    assert load_model_and_data(tmp_path / "run", model="mine_there:net")[0].completed


@pytest.mark.slow
def test_a_seed_s_own_settings_cannot_ask_for_more(tmp_path: Path) -> None:
    """Seeds that train one after the other read their own settings each."""
    from lfl.run import execute_seeds

    task = load_task("digits", tmp_path)
    execute_seeds(task, resolve(task.defaults, model="mlp", **SMALL), [0, 1], tmp_path / "run", stop)
    change(tmp_path / "run" / "seed-1", model="subprocess:call")
    with pytest.raises(lfl.UserError, match="seed-1 was made with other settings"):
        resume(tmp_path / "run")


@pytest.mark.slow
def test_a_study_s_half_made_run_cannot_ask_for_more(tmp_path: Path, lfl_command) -> None:
    """`compare` goes on with what is half-made; there the settings must be those of this very command."""
    from lfl.study import make_experiment, parse_variant

    task = load_task("digits", tmp_path)
    asked = {"steps": 4, "offline_steps": 2, "batch_size": 8}
    experiment = make_experiment(tmp_path / "out", "digits", "mlp", parse_variant("adalfl"), task.defaults, asked)
    settings = resolve(task.defaults, model="mlp", checkpoint_every=1, **asked)
    run = experiment.scratch(0) / "runs" / "seed-0"
    run.parent.mkdir(parents=True)
    execute(task, settings, run, stop)
    command = ["compare", "--methods", "adalfl", "--seeds", "1", "--model", "mlp", "--out", "out"]
    command += ["--steps", "4", "--offline-steps", "2", "--batch-size", "8"]
    change(run, model="subprocess:call")
    status, _, err = lfl_command(*command)
    assert (status, "was made with model subprocess:call" in err) == (2, True)
    change(run, model="mlp", data_dir="/elsewhere")  # of no account to the digits
    status, _, err = lfl_command(*command)
    assert (status, err) == (0, "")


def test_torch_reads_no_pickles_here(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever way a checkpoint is named, `torch.load` is not what reads it."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(torch, "load", refuse)
    torch.save({"a": torch.zeros(1)}, foreign / "done" / "theta.safetensors")
    with pytest.raises(lfl.UserError, match="is corrupt"):
        load_model_and_data(foreign / "done")


@pytest.mark.slow
@pytest.mark.parametrize("log", ["wandb", "tensorboard,mlflow"])
def test_a_foreign_run_sends_its_metrics_nowhere_unless_its_logs_are_named(
    log: str, foreign: Path, lfl_command
) -> None:
    change(foreign / "stopped", log=log)
    status, _, err = lfl_command("resume", "stopped")
    assert (status, err.count("\n")) == (2, 1)
    assert f"asks to send metrics to {log}" in err
    assert f"give --log {log}, or --trust" in err
    assert lfl_command("report", "stopped", "-o", "page.html")[0] == 0
    other = lfl_command("resume", "stopped", "--log", "csv")
    assert (other[0], f"has the log {log}" in other[2]) == (2, True)
