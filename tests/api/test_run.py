"""`lfl.load_run` reads what the files hold, when it is asked for, and never runs what a folder names."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_diabetes, load_digits

import lfl
from lfl.api import train_seeds
from lfl.run import predict
from lfl.training import Progress

SMALL = {"model": "logistic", "steps": 20, "offline_steps": 4, "batch_size": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run for each kind of target, and one that learns nothing."""
    out = tmp_path_factory.mktemp("runs")
    asked = {
        "classes": {"task": "digits"},
        "values": {"task": "diabetes", "method": "adalfl+lr"},
        "baseline": {"method": "baseline"},
    }
    return {name: lfl.train(out=out / name, **SMALL, **settings).folder for name, settings in asked.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classes", "values", "baseline"])
def test_each_part_is_what_its_file_holds(name: str, folders: dict[str, Path]) -> None:
    folder = folders[name]
    run = lfl.load_run(str(folder))
    assert run.folder == folder
    config = json.loads((folder / "config.json").read_text())
    assert (run.settings.steps, run.settings.method) == (20, config["method"])
    assert run.metrics() == [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    written = json.loads((folder / "result.json").read_text())
    result = run.result
    assert result is not None
    assert (result.test_error, result.valid_error, result.completed) == (
        written["test_error"],
        written["valid_error"],
        True,
    )
    theta = load_file(folder / "theta.safetensors")
    assert run.theta.keys() == theta.keys()
    assert all(torch.equal(run.theta[key], tensor) for key, tensor in theta.items())
    assert run.buffers == {}
    if name == "baseline":
        assert run.phi is None
        with pytest.raises(lfl.UserError, match="learned no loss"):
            run.loss()
    else:
        phi = load_file(folder / "phi.safetensors")
        assert run.phi is not None
        assert run.phi.keys() == phi.keys()
        assert ("inner_lr" in phi) == (name == "values")
        assert all(torch.equal(run.phi[key], tensor) for key, tensor in phi.items())
    assert run.task.name == config["task"]
    assert str(folder) in repr(run)


@pytest.mark.parametrize("name", ["classes", "values"])
def test_the_loss_is_the_one_that_load_loss_gives(name: str, folders: dict[str, Path]) -> None:
    outputs = torch.randn(5, 10 if name == "classes" else 1, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(5) if name == "classes" else torch.zeros(5, 1)
    run = lfl.load_run(folders[name])
    for reduction in ("mean", "none"):
        expected = lfl.load_loss(folders[name], reduction=reduction)(outputs, targets)
        assert torch.equal(run.loss(reduction=reduction)(outputs, targets), expected)


def test_predictions_are_those_of_the_command(folders: dict[str, Path], tmp_path: Path) -> None:
    raw = load_digits(return_X_y=True)[0].reshape(-1, 8, 8)
    np.savez(tmp_path / "in.npz", x=raw)
    predict(folders["classes"], tmp_path / "in.npz", tmp_path / "out.npz")
    run = lfl.load_run(folders["classes"])
    assert run.classes == list(range(10))
    with np.load(tmp_path / "out.npz") as arrays:
        for x in (raw, torch.from_numpy(raw), raw.tolist(), tmp_path / "in.npz", str(tmp_path / "in.npz")):
            found = run.predict(x)
            np.testing.assert_array_equal(found.numpy(), arrays["probabilities"])
    values = load_diabetes(return_X_y=True, scaled=False)[0]
    np.savez(tmp_path / "in.npz", x=values)
    predict(folders["values"], tmp_path / "in.npz", tmp_path / "out.csv")
    run = lfl.load_run(folders["values"])
    assert run.classes is None
    with (tmp_path / "out.csv").open(newline="") as file:
        written = [[float(row["value"])] for row in csv.DictReader(file)]
    np.testing.assert_array_equal(run.predict(values).numpy(), written)


def test_inputs_that_do_not_fit_are_named(folders: dict[str, Path]) -> None:
    run = lfl.load_run(folders["classes"])
    for x, words in (
        (np.zeros((2, 7, 7)), r"x: an input is \[1, 7, 7\]"),
        (np.zeros((0, 8, 8)), "x holds no inputs"),
        (np.zeros(8), "x: inputs must be numbers"),
    ):
        with pytest.raises(lfl.UserError, match=words):
            run.predict(x)


def test_its_parts_give_its_test_error(folders: dict[str, Path]) -> None:
    run = lfl.load_run(folders["classes"])
    likely = run.predict(load_digits(return_X_y=True)[0].reshape(-1, 8, 8))
    assert likely.sum(1).tolist() == pytest.approx([1.0] * len(likely))
    assert run.result is not None
    x = run.task.encoding.scale.back(run.task.test.x)
    assert (run.predict(x).argmax(1) != run.task.test.y).double().mean() == pytest.approx(run.result.test_error)


def test_only_what_is_asked_for_is_read(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(folders["classes"], folder)
    for path in folder.iterdir():
        if path.name != "config.json":
            path.write_bytes(b"damaged")
    run = lfl.load_run(folder)
    assert run.settings.task == "digits"
    for part in ("theta", "phi", "result", "classes", "task"):
        with pytest.raises(lfl.UserError, match=r"damaged|corrupt|not JSON"):
            getattr(run, part)
    for call in (run.metrics, run.loss, lambda: run.predict(np.zeros((1, 8, 8)))):
        with pytest.raises(lfl.UserError):
            call()


def test_a_run_in_progress_has_metrics_and_no_result(tmp_path: Path) -> None:
    seen = []

    def watch(progress: Progress) -> None:
        if (progress.phase.name, progress.step) == ("train", 6):
            run = lfl.load_run(tmp_path / "run")
            seen.append((run.result, run.metrics()[-1]["step"]))
            for part in ("theta", "phi"):
                with pytest.raises(lfl.UserError, match="its run has not ended"):
                    getattr(run, part)

    lfl.train(out=tmp_path / "run", progress=watch, **SMALL)
    assert seen == [(None, 6)]


def test_stopped_before_its_first_line_it_took_no_time(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lfl.train(out=tmp_path / "run", progress=stop, **SMALL)
    run = lfl.load_run(tmp_path / "run")
    assert run.result is not None
    assert (run.result.completed, run.result.seconds, run.metrics()) == (False, 0.0, [])


@pytest.mark.slow
def test_what_is_no_run_of_one_seed_is_named(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="no such folder"):
        lfl.load_run(tmp_path / "nothing")
    train_seeds([4, 5], out=tmp_path / "seeds", **SMALL)
    with pytest.raises(lfl.UserError, match=r"holds runs of several seeds.*seeds/seed-4"):
        lfl.load_run(tmp_path / "seeds")


EVIL = "open('exploded', 'w').close()\n\n\ndef net(shape, outputs):\n    raise ValueError\n"


@pytest.mark.parametrize("code", [{"loss": "evil:net"}, {"loss": "residual", "base": "evil:net"}])
def test_nothing_that_a_folder_names_is_run(
    code: dict[str, str], folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text(EVIL)
    shutil.copytree(folders["classes"], tmp_path / "sent")
    config = json.loads((tmp_path / "sent" / "config.json").read_text())
    changes = {"model": "evil:net", "objective": "evil:net"} | code
    (tmp_path / "sent" / "config.json").write_text(json.dumps(config | changes))
    run = lfl.load_run("sent")
    assert run.metrics() == lfl.load_run(folders["classes"]).metrics()
    assert run.phi is not None
    assert run.result is not None
    assert run.task.name == "digits"  # the data need no model
    for read in (lambda: run.theta, lambda: run.predict(np.zeros((1, 8, 8))), run.loss):
        with pytest.raises(lfl.UserError, match=r"asks to run the code of the .*trust=True"):
            read()
    assert "evil" not in sys.modules
    assert not (tmp_path / "exploded").exists()


def test_a_model_of_one_s_own_is_read_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_line.py").write_text(
        "from torch import nn\n\n\ndef net(shape, outputs):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, outputs), nn.BatchNorm1d(outputs))\n"
    )
    made = lfl.train(out="run", method="baseline", **(SMALL | {"model": "my_line:net"}))
    assert "2.running_mean" in made.buffers
    shutil.copytree("run", "sent")
    with pytest.raises(lfl.UserError, match="asks to run the code of the model my_line:net"):
        _ = lfl.load_run("sent").theta
    sent = lfl.load_run("sent", model="my_line:net")
    x = torch.randn(5, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sent.predict(x), made.predict(x))


def test_links_and_tensors_of_another_model_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["classes"], tmp_path / "run")
    save_file({"1.weight": torch.zeros(2, 2)}, tmp_path / "run" / "theta.safetensors")
    with pytest.raises(lfl.UserError, match="does not fit the model"):
        _ = lfl.load_run(tmp_path / "run").theta
    save_file({"0.weight": torch.full((2, 2), float("nan"))}, tmp_path / "run" / "phi.safetensors")
    with pytest.raises(lfl.UserError, match="not finite"):
        _ = lfl.load_run(tmp_path / "run").phi
    (tmp_path / "run" / "metrics.jsonl").unlink()
    (tmp_path / "run" / "metrics.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(lfl.UserError, match="is a symbolic link"):
        lfl.load_run(tmp_path / "run")
