"""Few-shot runs on the command line, from the first step to the report; and what goes wrong, in a line."""

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .commands import begin

Command = Callable[..., tuple[int, str, str]]

SINE = [
    *["--task", "sinusoid", "--model", "mlp-8", "--steps", "4", "--meta-batch", "3", "--test-steps", "2"],
    *["--valid-tasks", "5", "--test-tasks", "7", "--device", "cpu"],
]
PICTURES = [
    *["--ways", "2", "--shots", "1", "--queries", "2", "--steps", "2", "--meta-batch", "2", "--device", "cpu"],
    *["--model", "logistic", "--inner-steps", "1", "--test-steps", "2", "--valid-tasks", "3", "--test-tasks", "4"],
]


def draw_class(folder: Path, seed: int, count: int, size: int = 8) -> None:
    """Noisy pictures of one pattern."""
    folder.mkdir(parents=True)
    source = np.random.default_rng(seed)
    pattern = source.integers(0, 256, (size, size))
    for i in range(count):
        noisy = np.clip(pattern + source.integers(-30, 30, (size, size)), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{i}.png")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten classes of five pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(10):
        draw_class(folder / "classes" / f"class {number}", number, 5)
    return folder / "classes"


def test_a_run_on_sine_curves(lfl_command: Command) -> None:
    status, out, err = lfl_command("train", *SINE, "--out", "run")
    assert (status, err) == (0, "")
    assert "sinusoid, 5 shots, mlp-8, maml, seed 0, on cpu" in out
    assert "3 tasks a step, 5 queries a class, 1 inner step at 0.01, 2 in evaluation, Adam at 0.001" in out
    assert "train 4/4: support loss" in out
    assert "validation error" in out
    assert "on 7 test episodes, inductive" in out
    written = {path.name for path in Path("run").iterdir()}
    assert written == {
        *["config.json", "episodes.json", "metrics.jsonl", "timing.jsonl", "phi.safetensors", "result.json"],
    }
    config = json.loads(Path("run/config.json").read_text())
    assert (config["ways"], config["shots"], config["method"]) == (1, 5, "maml")
    status, out, err = lfl_command("eval", "run", "--tasks", "7")
    assert (status, err) == (0, "")
    ended = json.loads(Path("run/result.json").read_text())
    for steps, error in enumerate(ended["test"]["errors"]):
        assert f"after {steps} step{'s' * (steps != 1)}: {error:.4f} ± " in out
    assert "7 episodes of test, inductive" in out
    assert lfl_command("resume", "run")[0] == 2
    again = lfl_command("train", "--config", "run/config.json", "--out", "again")
    assert again[0] == 0, again[2]
    for name in ("phi.safetensors", "metrics.jsonl", "result.json", "episodes.json"):
        assert Path("run", name).read_bytes() == Path("again", name).read_bytes()


def test_a_run_on_pictures_of_ones_own_to_predictions(lfl_command: Command, pictures: Path) -> None:
    status, out, err = lfl_command("train", "--task", str(pictures), *PICTURES, "--out", "run")
    assert (status, err) == (0, ""), err
    assert "the nearest picture in pixels, without training: accuracy" in out
    shutil.copytree(pictures / "class 1", "support/one")
    shutil.copytree(pictures / "class 2", "support/two")
    Path("query").mkdir()
    for name in ("1", "2"):
        shutil.copy(pictures / f"class {name}" / "4.png", f"query/{name}.png")
    status, out, err = lfl_command("predict", "run", "--support", "support", "--query", "query", "-o", "out.csv")
    assert (status, err) == (0, "")
    assert "2 predictions of 2 classes in out.csv, inductive" in out
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [(row["file"], row["class"]) for row in rows] == [("1.png", "one"), ("2.png", "two")]
    for row in rows:
        assert sum(float(row[f"probability of {name}"]) for name in ("one", "two")) == pytest.approx(1.0, abs=1e-5)


def test_transductive_is_said_where_batch_norm_reads_the_query(lfl_command: Command, pictures: Path) -> None:
    conv = [word if word != "logistic" else "conv4" for word in PICTURES]
    for protocol, word in (("batch", "transductive"), ("support", "inductive")):
        status, out, err = lfl_command(
            "train", "--task", str(pictures), *conv, "--batch-norm", protocol, "--out", protocol
        )
        assert status == 0, err
        assert f"on 4 test episodes, {word}" in out
        status, out, err = lfl_command("eval", protocol, "--tasks", "3", "--split", "valid", "--steps", "0", "--trust")
        assert (status, err) == (0, "")
        assert f"3 episodes of valid, {word}" in out
        assert out.count("after") == 1


BAD = {
    "flag of the other route": (["train", *SINE, "--offline-steps", "3"], "--offline-steps is for runs without"),
    "several seeds": (["train", *SINE, "--seeds", "2"], "--seeds is for runs without episodes"),
    "flag of episodes": (["train", "--ways", "5"], "--ways is for episodes, but --task names none"),
    "flag of episodes, named task": (["train", "--task", "mnist", "--shots", "1"], "--task mnist has none"),
    "method of episodes": (["train", "--method", "maml"], "--method maml is for episodes"),
    "method of the other route": (["train", *SINE, "--method", "ml3"], "choose one of: maml, fomaml"),
    "ways of a regression": (["train", *SINE, "--ways", "5"], "--ways of sinusoid is 1"),
    "one way": (["train", "--task", "omniglot", "--ways", "1"], "--ways must be at least 2"),
    "no shots": (["train", "--task", "omniglot", "--shots", "0"], "--shots must be a whole number of at least 1"),
    "too many ways": (["train", "--task", "omniglot", "--ways", "100000"], "--ways must be at most 1,000"),
    "no inner step of reptile": (["train", *SINE, "--method", "reptile", "--inner-steps", "0"], "--inner-steps 0"),
    "npbml of a regression": (["train", *SINE, "--method", "npbml"], "is for pictures"),
    "unknown protocol": (["train", *SINE, "--batch-norm", "none"], "choose one of: batch, support, running"),
    "no tasks": (["train", *SINE, "--meta-batch", "0"], "--meta-batch must be a whole number"),
    "folder that is not there": (
        ["train", "--task", "nowhere/", "--ways", "2"],
        "nowhere/ is not a folder|not a folder",
    ),
    "too few classes": (["train", "--task", "few", "--ways", "5"], "classes in"),
    "too few drawings": (["train", "--task", "few", "--ways", "2", "--shots", "4", "--queries", "4"], "too few for"),
    "pictures of several sizes": (["train", "--task", "sizes", "--ways", "2"], "resize it"),
    "unknown part": (["train", "--task", "omniglot", "--method", "npbml", "--parts", "all,film"], "and all alone"),
    "eval of another run": (["eval", ".", "--tasks", "5"], "--tasks is for few-shot runs"),
    "predict of another run": (["predict", ".", "--support", "a", "--query", "b", "-o", "o.csv"], "give --input"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_a_line(name: str, lfl_command: Command) -> None:
    arguments, words = BAD[name]
    if "few" in arguments:
        for number in range(6):
            draw_class(Path("few", f"c{number}"), number, 5)
    if "sizes" in arguments:
        for number, size in enumerate((8, 8, 8, 9)):
            draw_class(Path("sizes", f"c{number}"), number, 5, size)
    status, _, err = lfl_command(*arguments)
    assert status == 2, err
    assert any(word in err for word in words.split("|")), err
    assert err.startswith("lfl: error: ")
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_no_inner_step_and_one_task_are_plain_training(lfl_command: Command) -> None:
    """K = 0 trains the start on the queries of one task a step, as on any examples."""
    status, out, err = lfl_command("train", *SINE, "--inner-steps", "0", "--meta-batch", "1", "--out", "run")
    assert (status, err) == (0, "")
    assert "support loss" not in out
    assert "query loss" in out


def test_pictures_to_predict_are_checked(lfl_command: Command, pictures: Path) -> None:
    assert lfl_command("train", "--task", str(pictures), *PICTURES, "--out", "run")[0] == 0
    Path("query").mkdir()
    draw_class(Path("large/a"), 0, 2, 9)
    draw_class(Path("large/b"), 1, 2, 9)
    draw_class(Path("one/a"), 0, 2)
    for number in range(3):
        draw_class(Path("three", str(number)), number, 2)
    shutil.copytree(pictures / "class 1", "two/a")
    shutil.copytree(pictures / "class 2", "two/b")
    shutil.copy(pictures / "class 1" / "0.png", "other.png")
    cases = {
        ("two", "query"): "has no pictures",
        ("two", "nowhere"): "--query nowhere is not a folder",
        ("one", "one/a"): "give 2 to 2",
        ("three", "one/a"): "has 3 classes, but the run tells 2 apart",
        ("large", "one/a"): "is 9x9 pixels, but the run was trained on 8x8; resize it",
    }
    for (support, query), words in cases.items():
        status, _, err = lfl_command("predict", "run", "--support", support, "--query", query, "-o", "out.csv")
        assert status == 2, err
        assert words in err
    assert "give --support and --query" in lfl_command("predict", "run", "--input", "x.npz", "-o", "out.csv")[2]
    assert "as .csv" in lfl_command("predict", "run", "--support", "two", "--query", "one/a", "-o", "out.npz")[2]


def test_a_folder_of_somebody_else_reads_nothing_that_was_not_named(lfl_command: Command, pictures: Path) -> None:
    assert lfl_command("train", "--task", str(pictures), *PICTURES, "--out", "run")[0] == 0
    shutil.copytree("run", "foreign")
    status, _, err = lfl_command("eval", "foreign", "--tasks", "3")
    assert status == 2
    assert f"asks to read {pictures}" in err
    assert "--trust" in err
    assert lfl_command("eval", "foreign", "--tasks", "3", "--task", str(pictures))[0] == 0
    config = json.loads(Path("foreign/config.json").read_text())
    Path("foreign/config.json").write_text(json.dumps(config | {"model": "evil:net"}))
    Path("evil.py").write_text("open('ran', 'w')\ndef net(shape, outputs): raise SystemExit(3)\n")
    status, _, err = lfl_command("eval", "foreign", "--tasks", "3", "--task", str(pictures))
    assert status == 2
    assert "run the code of the model evil:net" in err
    assert not Path("ran").exists()


DAMAGE = {
    "episodes.json": (lambda c: c | {"input_shape": [10**9, 1]}, "damaged"),
    "config.json": (lambda c: c | {"ways": 10**9}, "--ways must be at most"),
    "result.json": (lambda c: c | {"test": {"tasks": -1, "errors": [], "intervals": []}}, "damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_folder_is_refused(name: str, lfl_command: Command) -> None:
    assert lfl_command("train", *SINE, "--out", "run")[0] == 0
    change, words = DAMAGE[name]
    path = Path("run", name)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    status, _, err = lfl_command("eval", "run", "--tasks", "3")
    assert status == 2, err
    assert words in err


@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    longer = [*SINE, "--checkpoint-every", "10", "--eval-every", "50", "--log-every", "5"]
    longer[longer.index("--steps") + 1] = "120"
    assert begin(tmp_path / "whole", "train", *longer, "--out", str(tmp_path / "whole")).wait()[0] == 0
    killed = begin(tmp_path / "part", "train", *longer, "--out", str(tmp_path / "part"))
    while killed.process.is_alive() and not list((tmp_path / "part").glob("checkpoints/*.safetensors")):
        killed.process.join(0.01)
    killed.process.kill()
    assert killed.wait()[0] == -signal.SIGKILL
    assert not (tmp_path / "part" / "result.json").exists()
    status, _, err = begin(tmp_path / "part", "resume", str(tmp_path / "part")).wait()
    assert status == 0, err
    for name in ("phi.safetensors", "metrics.jsonl", "result.json"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    longer = [*SINE, "--log-every", "1"]
    longer[longer.index("--steps") + 1] = "100000"
    command = begin(tmp_path / "run", "train", *longer, "--compile", "off", "--out", str(tmp_path / "run"))
    while not (tmp_path / "run" / "metrics.jsonl").is_file() or not (tmp_path / "run" / "metrics.jsonl").stat().st_size:
        assert command.process.is_alive()
        command.process.join(0.05)
    os.kill(command.process.pid or 0, signal.SIGINT)
    status, out, err = command.wait()
    assert status == 130, err
    assert f"lfl resume {tmp_path / 'run'} continues from there" in err
    assert "on 7 test episodes" in out
    assert list((tmp_path / "run" / "checkpoints").glob("*.safetensors"))


def test_a_page_about_runs_has_the_published_number_and_the_floor(lfl_command: Command, pictures: Path) -> None:
    assert lfl_command("train", *SINE, "--out", "first")[0] == 0
    assert lfl_command("train", *SINE, "--seed", "1", "--out", "second")[0] == 0
    assert lfl_command("train", *SINE, "--method", "anil", "--out", "third")[0] == 0
    assert lfl_command("train", "--task", str(pictures), *PICTURES, "--out", "fourth")[0] == 0
    own = ["--model", "logistic", "--steps", "3", "--offline-steps", "2", "--batch-size", "8", "--device", "cpu"]
    assert lfl_command("train", *own, "--out", "other")[0] == 0
    status, _, err = lfl_command("report", "first", "second", "third", "fourth", "other", "-o", "page.html")
    assert (status, err) == (0, "")
    page = Path("page.html").read_text()
    assert "sinusoid, 5 shots, mlp-8" in page
    assert "classes, 2-way 1-shot, logistic" in page
    assert "published (Finn et al. 2017, inductive)" in page
    floor = json.loads(Path("fourth/result.json").read_text())["floor"]
    assert f"<td>{100 * (1 - floor):.2f}</td>" in page
    assert '"name": "nearest picture in pixels"' in page
    first, second = (json.loads(Path(name, "result.json").read_text())["test_error"] for name in ("first", "second"))
    assert f"{(first + second) / 2:.4f} ({min(first, second):.4f} to {max(first, second):.4f})" in page
    assert "digits, logistic" in page
    for command in (["plot", "first"], ["export", "first", "--to", "torch", "-o", "x.pt2"], ["suspects", "first"]):
        status, _, err = lfl_command(*command)
        assert status == 2, err
        assert "is a few-shot run" in err
