"""What goes wrong for a user: a line or two, and the promised status; nothing is left behind, nothing is harmed."""

import json
import os
import pickle
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from lfl.run import execute
from lfl.run.checkpoint import read_checkpoint, write_checkpoint
from lfl.task import load_task
from lfl.training import Progress, resolve

from ..processes import status_of
from .commands import begin, forked

QUICK = ["--model", "logistic", "--steps", "5", "--offline-steps", "3", "--batch-size", "8"]


BAD_WORDS = {
    "unknown task": (["train", "--task", "imagenet"], 2, "choose one of: digits, diabetes, crime"),
    "unknown model": (["train", "--model", "resnet"], 2, "choose one of: logistic, mlp, lenet5, vgg16"),
    "unknown method": (["train", "--method", "mammal"], 2, "choose one of: baseline, ml3, meta-lr, adalfl"),
    "unknown device": (["train", "--device", "tpu"], 2, "choose one of: auto, cpu, cuda, mps"),
    "unknown flag": (["train", "--learning-rate", "1"], 2, "see lfl --help"),
    "unknown command": (["trian"], 2, "see lfl --help"),
    "not a number": (["train", "--steps", "many"], 2, "'--steps'"),
    "no value": (["train", "--steps"], 2, "see lfl --help"),
    "no steps": (["train", "--steps", "0"], 2, "--steps must be a whole number"),
    "negative rate": (["train", "--inner-lr", "-1"], 2, "--inner-lr must be a finite number of at least 0"),
    "rate not a number": (["train", "--outer-lr", "nan"], 2, "--outer-lr must be a finite number"),
    "unknown form": (["train", "--hypergradient", "magic"], 2, "choose one of: auto, unroll, mixed"),
    "unknown precision": (["train", "--precision", "int8"], 2, "choose one of: float32, tf32, bfloat16"),
    "tf32 without a GPU": (["train", *QUICK, "--device", "cpu", "--precision", "tf32"], 2, "NVIDIA GPU"),
    "horizon that does not divide": (["train", *QUICK, "--horizon", "2"], 2, "multiples of --horizon"),
    "part with a whole form": (
        ["train", *QUICK, "--hypergradient", "unroll", "--meta-batch-size", "2"],
        2,
        "on part of a batch",
    ),
    "loss of another kind": (["train", *QUICK, "--method", "baseline", "--loss", "huber"], 2, "choose one of: cross-"),
    "unknown schedule": (["train", "--schedule", "linear"], 2, "choose one of: constant, cosine, step"),
    "momentum of adam": (["train", "--optimizer", "adam", "--momentum", "0.9"], 2, "leave them out"),
    "nesterov alone": (["train", *QUICK, "--nesterov"], 2, "give one, such as 0.9"),
    "fixed without a run": (["train", "--method", "fixed"], 2, "give --loss-from RUN, or --loss FORMULA"),
    "loss from nowhere": (["train", "--method", "fixed", "--loss-from", "nowhere"], 2, "no such folder|cannot read"),
    "own model": (["train", "--model", "no_such_module:f"], 2, "cannot be imported"),
    "own table without a target": (["train", "--task", "table.csv"], 2, "--target COLUMN"),
    "own table that is not there": (["train", "--task", "table.csv", "--target", "a"], 2, "cannot read table.csv"),
    "own arrays that are not there": (["train", "--task", "own.npz"], 2, "cannot read own.npz"),
    "target of a named task": (["train", "--target", "a"], 2, "--target is for your own data"),
    "no seeds": (["train", "--seeds", "0"], 2, "--seeds"),
    "negative seed": (["train", "--seed", "-1"], 2, "--seed must be a whole number"),
    "no threads": (["train", "--threads", "0"], 2, "--threads"),
    "empty batch": (["train", "--batch-size", "0"], 2, "--batch-size"),
    "model does not fit": (["train", "--model", "lenet5"], 2, "choose --model mlp or logistic"),
    "diverges": (["train", *QUICK, "--method", "baseline", "--inner-lr", "1e38"], 1, "lower --inner-lr"),
    "out exists": (["train", *QUICK, "--out", "."], 2, "exists already"),
    "out beneath a file": (["train", *QUICK, "--out", "file/run"], 2, "beneath a file"),
    "no room in memory": (["train", *QUICK, "--batch-size", "100000000000"], 1, "lower --batch-size"),
    "eval of nothing": (["eval", "nowhere"], 2, "no such folder"),
    "eval of another folder": (["eval", "."], 2, "cannot read config.json"),
    "eval without a run": (["eval"], 2, "see lfl --help"),
}


def check(status: int, err: str, expected: int, words: str) -> None:
    assert status == expected, err
    assert any(word in err for word in words.split("|")), err
    assert err.splitlines()[-1].startswith("lfl: error: ") or err.startswith("lfl: error: ")
    assert err.count("\n") <= 2
    assert "Traceback" not in err


@pytest.mark.parametrize("case", BAD_WORDS)
def test_bad_words_end_in_a_line_or_two(case: str, lfl_command, tmp_path: Path) -> None:
    arguments, expected, words = BAD_WORDS[case]
    (tmp_path / "file").write_text("")
    status, _, err = lfl_command(*arguments)
    check(status, err, expected, words)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["file"]


class Bomb:
    """What a hostile file does if it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, a stopped one, and a stopped one of another model."""
    folder = tmp_path_factory.mktemp("runs")
    task = load_task("digits", folder)

    def stop(progress: Progress) -> None:
        if progress.phase.name == "train" and progress.step == 4:
            raise KeyboardInterrupt

    for name, model, watch in (("done", "logistic", None), ("stopped", "logistic", stop), ("other", "mlp", stop)):
        settings = resolve(task.defaults, model=model, steps=6, offline_steps=3, batch_size=8, checkpoint_every=1)
        execute(task, settings, folder / name, watch)
    return folder


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def pickled(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(pickle.dumps(Bomb())) and None


def cut(name: str, keep: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = next(iter(sorted(folder.glob(name), reverse=True)))
        path.write_bytes(path.read_bytes()[:keep])

    return spoil


def swapped_checkpoint(folder: Path) -> None:
    found, _ = read_checkpoint(folder / "other")
    shutil.rmtree(folder / "stopped" / "checkpoints")
    write_checkpoint(folder / "stopped", 7, found.tensors, found.left)


def other_type(folder: Path) -> None:
    tensors = load_file(folder / "done" / "theta.safetensors")
    save_file({name: t.reshape(-1) for name, t in tensors.items()}, folder / "done" / "theta.safetensors")


def long_header(folder: Path) -> None:
    (folder / "done" / "theta.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")


def arrays(**content: object) -> Callable[[Path], None]:
    return lambda folder: np.savez(folder / "own.npz", **{name: np.asarray(value) for name, value in content.items()})


def not_a_zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "own.npz", "w") as file:
        file.writestr("x_train.npy", b"\x93NUMPY nonsense")
        file.writestr("y_train.npy", b"")


def broken_picture(folder: Path) -> None:
    (folder / "photos" / "train" / "cat").mkdir(parents=True)
    (folder / "photos" / "train" / "cat" / "1.png").write_bytes(b"no picture")


def false_mnist(folder: Path) -> None:
    raw = folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (raw / f"{part}-{kind}-ubyte").write_bytes(b"\0" * 100)


def good_inputs_and_a_file(folder: Path) -> None:
    arrays(x=np.zeros((3, 8, 8)))(folder)
    (folder / "file").write_text("")


OWN = ["train", *QUICK, "--task", "own.npz"]
TABLE = ["train", *QUICK, "--task", "own.csv", "--target", "b"]
CONFIG = ["train", *QUICK, "--config", "my.toml"]
PREDICT = ["predict", "done", "-o", "out.csv", "--input"]

BAD_FILES: dict[str, tuple[Callable[[Path], None], list[str], int, str]] = {
    "no configuration": (lambda f: None, CONFIG, 2, "cannot read my.toml"),
    "configuration not TOML": (text("my.toml", "= 3"), CONFIG, 2, "is not TOML"),
    "misspelt setting": (text("my.toml", "step = 3"), CONFIG, 2, "did you mean 'steps'"),
    "word for a rate": (text("my.toml", "inner_lr = 'high'"), CONFIG, 2, "--inner-lr must be a finite number"),
    "truth for a count": (text("my.toml", "inner_steps = true"), CONFIG, 2, "--inner-steps must be a whole number"),
    "fraction for a count": (text("my.toml", "horizon = 1.5"), CONFIG, 2, "--horizon must be a whole number"),
    "number for a name": (text("my.toml", "schedule = 7"), CONFIG, 2, "--schedule must be a word"),
    "list for a number": (text("my.toml", "momentum = [0.9]"), CONFIG, 2, "--momentum must be a finite number"),
    "infinite rate": (text("my.toml", "outer_lr = inf"), CONFIG, 2, "--outer-lr must be a finite number"),
    "negative period": (text("my.toml", "checkpoint_every = -1"), CONFIG, 2, "--checkpoint-every must be a whole"),
    "unknown choice": (text("my.toml", "loss = 'magic'"), CONFIG, 2, "choose one of: network"),
    "unknown log": (text("my.toml", "log = 'paper'"), CONFIG, 2, "choose one of: none, tensorboard"),
    "a log twice": (text("my.toml", "log = 'csv,csv'"), CONFIG, 2, "takes each choice once, and none alone"),
    "none and a log": (text("my.toml", "log = 'none,csv'"), CONFIG, 2, "takes each choice once, and none alone"),
    "a log without a name": (text("my.toml", "log = 'csv,'"), CONFIG, 2, "unknown --log ''"),
    "resume of nothing": (lambda f: None, ["resume", "nowhere"], 2, "no such folder"),
    "resume of a finished run": (lambda f: None, ["resume", "done"], 2, "is complete"),
    "resume without a configuration": (
        lambda f: (f / "stopped" / "config.json").unlink(),
        ["resume", "stopped"],
        2,
        "cannot read stopped/config.json",
    ),
    "configuration cut short": (cut("stopped/config.json", 50), ["resume", "stopped"], 2, "is not JSON"),
    "configuration of wrong types": (
        lambda f: edit(f / "stopped" / "config.json", steps="six"),
        ["resume", "stopped"],
        2,
        "--steps must be a whole number",
    ),
    "configuration of another model": (
        lambda f: edit(f / "stopped" / "config.json", model="mlp"),
        ["resume", "stopped"],
        2,
        "of another model",
    ),
    "checkpoint of another run": (swapped_checkpoint, ["resume", "stopped"], 2, "of another model"),
    "metrics cut short": (cut("stopped/metrics.jsonl", 10), ["resume", "stopped"], 2, "is shorter than"),
    "result cut short": (cut("done/result.json", 10), ["eval", "done"], 2, "is not JSON"),
    "model cut short": (cut("done/theta.safetensors", 40), ["eval", "done"], 2, "is corrupt"),
    "model of other shapes": (other_type, ["eval", "done"], 2, "does not fit the model"),
    "model with an endless header": (long_header, ["eval", "done"], 2, "is corrupt"),
    "model that is a pickle": (pickled("done/theta.safetensors"), ["eval", "done"], 2, "is corrupt"),
    "buffers that are a pickle": (pickled("done/buffers.safetensors"), ["eval", "done"], 2, "is corrupt"),
    "loss that is a pickle": (
        pickled("done/phi.safetensors"),
        ["train", *QUICK, "--method", "fixed", "--loss-from", "done"],
        2,
        "is corrupt",
    ),
    "encoding of nothing": (text("done/encoding.json", "{}"), [*PREDICT, "own.npz"], 2, "is damaged"),
    "arrays that are not there": (lambda f: None, [*PREDICT, "own.npz"], 2, "cannot read own.npz"),
    "arrays that are a pickle": (pickled("own.npz"), OWN, 2, "cannot read own.npz"),
    "arrays of objects": (
        arrays(x_train=np.array([Bomb()] * 30, dtype=object), y_train=np.zeros(30)),
        OWN,
        2,
        "cannot read own.npz",
    ),
    "arrays of nonsense": (not_a_zip, OWN, 2, "cannot read own.npz"),
    "arrays of two lengths": (arrays(x_train=np.zeros((30, 2)), y_train=np.zeros(29)), OWN, 2, "30 inputs and 29"),
    "arrays of words": (arrays(x_train=[["a"]] * 30, y_train=np.zeros(30)), OWN, 2, "inputs must be numbers"),
    "targets with holes": (
        arrays(x_train=np.zeros((30, 2)), y_train=[0.5, np.nan] * 15),
        OWN,
        2,
        "missing or infinite values",
    ),
    "inputs of another shape": (arrays(x=np.zeros((3, 9))), [*PREDICT, "own.npz"], 2, "an input is [9]"),
    "table that is not there": (lambda f: None, TABLE, 2, "cannot read own.csv"),
    "table of bytes": (lambda f: (f / "own.csv").write_bytes(b"a,b\n\xff,1\n") and None, TABLE, 2, "cannot read"),
    "table with a short row": (text("own.csv", "a,b\n1,2\n3\n"), TABLE, 2, "line 3: 1 values for 2 columns"),
    "table without the target": (text("own.csv", "a,c\n1,2\n"), TABLE, 2, "no column 'b'"),
    "pictures that are none": (broken_picture, ["train", *QUICK, "--task", "photos/"], 2, "is not a picture"),
    "data of another data set": (
        false_mnist,
        ["train", *QUICK, "--task", "mnist", "--data-dir", "data"],
        2,
        "is not MNIST's|needs torchvision",
    ),
    "predictions beneath a file": (
        good_inputs_and_a_file,
        ["predict", "done", "--input", "own.npz", "-o", "file/out.csv"],
        2,
        "cannot write file/out.csv",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_end_in_a_line_or_two(case: str, runs: Path, lfl_command, tmp_path: Path) -> None:
    prepare, arguments, expected, words = BAD_FILES[case]
    needed = [name for name in ("done", "stopped", "other") if name in arguments or name in case or name == "other"]
    for name in needed if {"done", "stopped"} & set(arguments) else []:
        shutil.copytree(runs / name, tmp_path / name)
    prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status, _, err = lfl_command(*arguments)
    if case == "data of another data set" and "needs torchvision" in err:
        expected = 1
    check(status, err, expected, words)
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path / "exploded").exists()


def test_there_are_sixty_kinds() -> None:
    assert len(BAD_WORDS) + len(BAD_FILES) >= 60


@pytest.mark.slow
def test_a_hostile_checkpoint_is_passed_over(runs: Path, lfl_command, tmp_path: Path) -> None:
    """Pickles under a checkpoint's name are never loaded; the run goes on from the whole one before."""
    shutil.copytree(runs / "stopped", tmp_path / "stopped")
    hostile = tmp_path / "stopped" / "checkpoints" / "step-000000099-0123456789abcdef.safetensors"
    hostile.write_bytes(pickle.dumps(Bomb()))
    status, _, err = lfl_command("resume", "stopped")
    assert (status, err.count("\n")) == (0, 1)
    assert "is damaged and not used" in err
    assert not (tmp_path / "exploded").exists()
    whole = (runs / "done" / "theta.safetensors").read_bytes()
    assert (tmp_path / "stopped" / "theta.safetensors").read_bytes() == whole


@pytest.mark.slow
def test_no_room_on_the_disk(tmp_path: Path) -> None:
    """The limit is below the size of the trained model."""
    arguments = ["train", *QUICK, "--model", "mlp", "--out", str(tmp_path / "run")]
    status, _, err = begin(tmp_path, *arguments, largest=9000).wait()
    assert status == 1
    assert "File too large" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_disk_that_fills_up_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    """The limit holds what is written at first, and not the metrics that grow."""
    arguments = ["train", "--model", "logistic", "--steps", "4000", "--offline-steps", "3", "--checkpoint-every", "20"]
    config = tmp_path / "my.toml"
    config.write_text("log_every = 1\n")
    arguments += ["--method", "baseline", "--config", str(config), "--out", str(tmp_path / "run")]
    status, _, err = begin(tmp_path, *arguments, largest=60000).wait()
    assert status == 1
    assert "What was saved before is kept: lfl resume" in err
    assert err.count("\n") == 1
    found, _ = read_checkpoint(tmp_path / "run")
    assert found is not None


@pytest.mark.slow
def test_nobody_reads_what_is_printed(tmp_path: Path) -> None:
    """A closed pipe is no fault of the disk's, and ends without a traceback."""
    arguments = ["train", *QUICK, "--out", str(tmp_path / "run")]
    pipe, said = tmp_path / "pipe", tmp_path / "said"
    os.mkfifo(pipe)
    process = forked(arguments, pipe, said)
    os.close(os.open(pipe, os.O_RDONLY))
    assert status_of(process) in {0, 1, 128 + signal.SIGPIPE}
    err = said.read_text()
    assert "Traceback" not in err
    assert "cannot write" not in err
