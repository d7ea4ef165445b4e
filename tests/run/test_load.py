"""A run whose data have changed since is not measured on others."""

import json
from pathlib import Path

import numpy as np
import pytest

import lfl
from lfl.run import execute, load_run, resume
from lfl.task import load_task
from lfl.training import Progress, resolve

SMALL = {
    "model": "logistic",
    "steps": 4,
    "offline_steps": 2,
    "batch_size": 8,
    "checkpoint_every": 1,
    "method": "meta-lr",
}


def stop(progress: Progress) -> None:
    if (progress.phase.name, progress.step) == ("train", 2):
        raise KeyboardInterrupt


def test_data_that_have_changed_since_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    x = np.random.default_rng(0).normal(size=(60, 4))
    y = np.where(x[:, 0] > 0, "a", "b")
    np.savez(path, x_train=x, y_train=y)
    task = load_task(str(path), tmp_path)
    settings = resolve(task.defaults, task=str(path), **SMALL)
    for name, watch in (("done", None), ("stopped", stop)):
        execute(task, settings, tmp_path / name, watch)
    same = path.read_bytes()

    x[7, 2] += 1e-3
    np.savez(path, x_train=x, y_train=y)
    for call, name in ((load_run, "done"), (resume, "stopped")):
        with pytest.raises(lfl.UserError, match=r"are not those that .* was trained on; put the old ones back"):
            call(tmp_path / name)

    path.write_bytes(same)
    assert load_run(tmp_path / "done").completed
    assert resume(tmp_path / "stopped")[0].completed

    config = json.loads((tmp_path / "done" / "config.json").read_text())
    del config["data"]  # as an older version wrote it
    (tmp_path / "done" / "config.json").write_text(json.dumps(config))
    np.savez(path, x_train=x, y_train=y)
    assert load_run(tmp_path / "done").completed


def test_sizes_in_a_file_take_no_memory(tmp_path: Path) -> None:
    """Inputs of 10^12 numbers are refused before a model is made for them."""
    task = load_task("digits", tmp_path)
    folder = execute(task, resolve(task.defaults, **SMALL), tmp_path / "run").folder
    path = folder / "encoding.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"input_shape": [10**6, 10**6], "scale": [0.0, 1.0]}))
    with pytest.raises(lfl.UserError, match="does not fit the model"):
        load_run(folder)
