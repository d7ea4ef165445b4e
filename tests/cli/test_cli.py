"""The command line as a person meets it: what it prints, how it fails, how it ends."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lfl
from lfl import catalogue
from lfl.catalogue import METHODS
from lfl.loss import HANDCRAFTED, REPRESENTATIONS
from lfl.settings import SETTINGS
from lfl.training.build import AUTOCAST

from ..processes import wait_until
from .commands import COMMAND, begin, on_a_terminal

METRICS = ", ".join(
    rf"{name} \d\.\d{{4}}" for name in ("balanced error", "macro F1", "calibration error", "negative log-likelihood")
)
QUICK = ["--model", "logistic", "--steps", "5", "--offline-steps", "3", "--batch-size", "8"]


@pytest.mark.slow
def test_train_eval_and_list(lfl_command, tmp_path: Path) -> None:
    status, out, err = lfl_command("train", *QUICK)
    assert (status, err) == (0, "")
    first, told, second = r"test error (0\.\d{4}) \(validation 0\.\d{4}\) in [\d.]+ s", METRICS, r"run folder (\S+)"
    found = re.search(rf"^{first}\n{told}\n(?:last step.*\n)?{second}$", out, re.M)
    assert found is not None, out
    folder = tmp_path / found[2]
    assert found[2] == "runs/digits-logistic-adalfl-1"
    assert (folder / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert "train 5/5: training loss" in out

    status, out, err = lfl_command("eval", str(folder))
    assert (status, err) == (0, "")
    assert re.match(rf"test error {found[1]}\n{METRICS}\n", out)

    status, out, _ = lfl_command("list")
    assert status == 0
    for name in (
        *catalogue.TASKS,
        *catalogue.MODELS,
        *METHODS,
        *REPRESENTATIONS,
        *HANDCRAFTED["classification"],
        *HANDCRAFTED["regression"],
    ):
        assert re.search(rf"^  {re.escape(name)} +\S", out, re.M), name


def test_the_objective_and_the_model_that_is_kept_are_chosen(lfl_command, tmp_path: Path) -> None:
    rough = ["train", *QUICK, "--steps", "27", "--method", "meta-lr", "--inner-lr", "1.0"]
    status, out, err = lfl_command(*rough, "--objective", "soft-f1", "--keep", "best", "--out", "run")
    assert (status, err) == (0, "")
    errors = r"(0\.\d{4}) \(validation (0\.\d{4})\)"
    first = re.search(rf"^test error {errors} in", out, re.M)
    both = re.search(rf"^last step: {errors}; best step (\d+): {errors}$", out, re.M)
    assert both is not None, out
    assert first.groups() == both.groups()[3:] != both.groups()[:2]
    config, result = (json.loads((tmp_path / "run" / f"{name}.json").read_text()) for name in ("config", "result"))
    assert (config["objective"], config["keep"]) == ("soft-f1", "best")
    assert result["best"]["step"] == int(both[3])
    assert f"objective {result['test']['objective']:.4f}\n" in out
    status, out, err = lfl_command("eval", "run")
    assert (status, err) == (0, "")
    assert re.match(rf"test error {first[1]}\n{METRICS}\n", out)
    for wrong, words in (
        (["--objective", "squared-error"], "--objective for classification"),
        (["--objective", "brier", "--method", "baseline"], "--method baseline learns nothing"),
        (["--keep", "first"], "--keep"),
    ):
        status, _, err = lfl_command("train", *QUICK, *wrong)
        assert (status, words in err, err.count("\n")) == (2, True, 1), err


@pytest.mark.slow
def test_a_zero_gradient_is_a_line_on_standard_error(tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, said, err = begin(out, "train", *QUICK, "--inner-lr", "0", "--out", str(out)).wait()
    assert status == 0
    assert err.startswith("lfl: warning: the gradient of phi is exactly 0 at the first step")
    assert err.count("\n") == 1
    assert "run folder" in said


def test_precisions_are_those_that_can_be_computed_in() -> None:
    assert list(SETTINGS["precision"].choices) == list(AUTOCAST)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "how"), [("logistic", "as one program"), ("mlp", "one after the other")])
def test_seeds_get_a_folder_each_and_a_mean(model: str, how: str, lfl_command, tmp_path: Path) -> None:
    status, out, err = lfl_command("train", *QUICK, "--model", model, "--seed", "4", "--seeds", "3", "--out", "here")
    assert (status, err) == (0, "")
    assert f"3 seeds from 4 {how}" in out
    errors = [float(e) for e in re.findall(r"^test error (0\.\d{4})", out, re.M)]
    mean, deviation = map(float, re.search(r"^over 3 seeds (\S+) ± (\S+)$", out, re.M).groups())
    assert mean == pytest.approx(statistics.mean(errors), abs=1e-4)
    assert deviation == pytest.approx(statistics.stdev(errors), abs=1e-4)
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["config.json", "seed-4", "seed-5", "seed-6"]
    assert lfl_command("eval", "here/seed-5")[1].startswith(f"test error {errors[1]:.4f}\n")


@pytest.mark.slow
def test_forward_mode_runs_without_a_word_of_torchs_own(tmp_path: Path) -> None:
    arguments = ["train", *QUICK, "--hypergradient", "mixed", "--out", str(tmp_path / "run")]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.slow
def test_own_data_and_own_model_train_and_evaluate(lfl_command, tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 7},{'red' if i % 3 else 'blue'},{i % 2}" for i in range(80))
    (tmp_path / "table.csv").write_text(f"size,colour,label\n{rows}\n")
    (tmp_path / "mine.py").write_text(
        "import torch\ndef net(shape, outputs):\n    return torch.nn.Linear(shape[0], outputs)\n"
    )
    own = ["--task", "table.csv", "--target", "label", "--model", "mine:net", "--eval-split"]
    status, out, err = lfl_command("train", *QUICK, *own, "--out", "here")
    assert (status, err) == (0, "")
    assert "table.csv: classification, 2 classes, inputs [3], rows 51 train, 7 valid, 16 test, 6 eval" in out
    lines = [json.loads(line) for line in (tmp_path / "here" / "metrics.jsonl").read_text().splitlines()]
    assert any("eval_error" in line for line in lines)
    assert lfl_command("eval", "here")[0] == 0
    status, out, _ = lfl_command("train", *QUICK, "--task", str(tmp_path / "table.csv"), *own[2:])
    assert status == 0
    assert "run folder runs/table-mine.net-adalfl-1\n" in out


@pytest.mark.slow
def test_a_learned_loss_is_handed_on(lfl_command, tmp_path: Path) -> None:
    assert lfl_command("train", *QUICK, "--method", "ml3", "--loss", "taylor-cubic", "--out", "source")[0] == 0
    status, _, err = lfl_command("train", *QUICK, "--method", "fixed", "--loss-from", "source", "--out", "target")
    assert (status, err) == (0, "")
    assert json.loads((tmp_path / "target" / "config.json").read_text())["loss"] == "taylor-cubic"
    assert (tmp_path / "target" / "losses.png").is_file()


def test_regression_says_what_it_measures(lfl_command) -> None:
    _, out, _ = lfl_command("train", "--task", "diabetes", *QUICK, "--method", "ml3")
    assert re.search(r"^test mean squared error \d\.\d{4}", out, re.M)


@pytest.mark.slow
def test_every_setting_reaches_the_run(lfl_command, tmp_path: Path) -> None:
    rates = ["--inner-lr", "0.02", "--offline-lr", "0.003", "--outer-lr", "0.0004"]
    rest = [
        "--seed",
        "3",
        "--inner-steps",
        "2",
        "--no-redraw-theta",
        "--restart-every",
        "7",
        "--offline-objective",
        "valid",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--hypergradient",
        "unroll",
        "--horizon",
        "5",
        "--meta-every",
        "5",
        "--compile",
        "off",
        "--precision",
        "bfloat16",
    ]
    threads = torch.get_num_threads()
    assert lfl_command("train", *QUICK, *rates, *rest, "--out", "here")[0] == 0
    torch.set_num_threads(threads)
    config = json.loads((tmp_path / "here" / "config.json").read_text())
    expected = {
        "inner_lr": 0.02,
        "offline_lr": 0.003,
        "outer_lr": 0.0004,
        "seed": 3,
        "inner_steps": 2,
        "offline_objective": "valid",
        "restart_every": 7,
        "hypergradient": "unroll",
        "horizon": 5,
        "meta_every": 5,
        "meta_batch_size": None,
        "compile": "off",
        "compiled": False,
        "precision": "bfloat16",
    }
    assert expected.items() <= config.items()
    assert (config["redraw_theta"], config["threads"], config["device"], config["batch_size"]) == (
        False,
        1,
        "cpu",
        8,
    )


def test_devices_that_are_not_there_are_named(lfl_command) -> None:
    absent = [
        name
        for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
        if not there
    ]
    assert absent, "no machine has both"
    for name in absent:
        status, _, err = lfl_command("train", "--device", name)
        assert (status, err.count("\n")) == (2, 1)
        assert f"device {name} is not available" in err


def test_no_network_is_put_into_words(lfl_command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets = pytest.importorskip(
        "torchvision.datasets",
        reason="torchvision does not import beside this torch",
        exc_type=(ImportError, RuntimeError),
    )
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    status, _, err = lfl_command("train", "--task", "mnist", "--data-dir", str(tmp_path / "data"))
    assert status == 1
    assert "could not download MNIST" in err
    assert err.count("\n") <= 2


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_help_version_and_completion_do_not_import_torch() -> None:
    without_torch = "import sys; sys.modules['torch'] = None; sys.argv[0] = 'lfl'; from lfl_cli.app import main; main()"

    def call(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", without_torch, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout

    assert "train" in call("--help")
    assert "--inner-lr" in call("train", "--help")
    assert call("--version") == f"lfl {lfl.__version__}\n"
    words = {"_LFL_COMPLETE": "complete_bash", "COMP_WORDS": "lfl train --task d", "COMP_CWORD": "3"}
    assert call(**words).split() == ["digits", "diabetes"]


@pytest.mark.slow
def test_import_is_light_and_works_without_torchvision(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torchvision'] = None; import lfl; from pathlib import Path; "
        "assert not {'sklearn', 'matplotlib', 'torch._dynamo'} & set(sys.modules); "
        "from lfl.task import load_task; load_task('digits', Path('.')); from lfl_cli.app import main; "
        "sys.argv = ['lfl', 'train', '--task', 'mnist', '--data-dir', sys.argv[1]]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "mnist needs torchvision" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_leaves_and_resume_goes_on(number: int, status: int, lfl_command, tmp_path: Path) -> None:
    out = tmp_path / "run"
    long = ["--model", "logistic", "--steps", "4000", "--offline-steps", "10", "--threads", "1"]
    command = begin(tmp_path, "train", *long, "--compile", "off", "--out", str(out))
    metrics = out / "metrics.jsonl"
    wait_until(lambda: metrics.is_file() and len(metrics.read_text().splitlines()) > 2, command.process)
    os.kill(command.process.pid, number)
    found, stdout, stderr = command.wait()
    assert found == status
    assert "interrupted at step" in stderr
    assert "Traceback" not in stderr
    assert "test error" in stdout
    assert lfl_command("eval", str(out))[1].splitlines()[-1].endswith("interrupted")
    step = json.loads((out / "result.json").read_text())["step"]
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"steps": step + 20}))  # a shorter way to its end
    status, _, stderr = lfl_command("resume", str(out))
    assert (status, stderr) == (0, "")
    assert json.loads((out / "result.json").read_text())["step"] == step + 20
    assert not (out / "checkpoints").exists()


@pytest.mark.slow
def test_a_config_repeats_a_run_and_gives_way_to_flags(lfl_command, tmp_path: Path) -> None:
    assert lfl_command("train", *QUICK, "--seed", "3", "--inner-lr", "0.05", "--out", "first")[0] == 0
    assert lfl_command("train", "--config", "first/config.json", "--out", "second")[0] == 0
    for path in (tmp_path / "first").iterdir():
        if path.name != "timing.jsonl":
            assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name
    assert lfl_command("train", "--config", "first/config.json", "--seed", "4", "--out", "third")[0] == 0
    config = json.loads((tmp_path / "third" / "config.json").read_text())
    assert (config["seed"], config["inner_lr"]) == (4, 0.05)


@pytest.mark.slow
def test_a_terminal_gets_a_live_view(tmp_path: Path) -> None:
    status, text = on_a_terminal(["train", *QUICK, "--out", str(tmp_path / "run")], columns=100)
    assert status == 0
    for words in ("validation error", "steps/s", "5/5", "run folder"):
        assert words in text
