"""Several labels of an example, from files and functions: trained, evaluated, predicted, reported; errors in words."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

import lfl
from lfl.task import load_task


@pytest.fixture
def run_lfl(lfl_command):
    """Runs a command and returns what it printed; an error with `fails`."""

    def call(*arguments: object, fails: bool = False) -> str:
        status, out, err = lfl_command(*map(str, arguments))
        assert (status != 0) == fails, err
        return err if fails else out + err

    return call


RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 5)).astype(np.float32)
Y = np.stack([X[:, 0] > 0, X[:, 1] + X[:, 2] > 0, X[:, 3] > 0.5], 1).astype(np.int64)
SMALL = ["--steps", "150", "--batch-size", "32", "--inner-lr", "0.3", "--eval-every", "50", "--device", "cpu",
         "--model", "logistic", "--compile", "off"]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    np.savez(tmp_path / "data.npz", x_train=X, y_train=Y)
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*"abcde", "red", "round", "large"])
        writer.writerows([*x.tolist(), *y.tolist()] for x, y in zip(X, Y, strict=True))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [["baseline"], ["baseline", "--loss", "focal"], ["adalfl", "--offline-steps", "20"], ["residual"],
               ["residual", "--loss", "weight-net"], ["residual", "--loss", "true-class", "--objective", "brier"],
               ["meta-lr", "--offline-steps", "5"]],
    ids=" ".join,
)  # fmt: skip
def test_every_method_trains_on_labels(run_lfl, data: Path, method: list[str]) -> None:
    run_lfl("train", "--task", data / "data.npz", "--kind", "multilabel", "--method", *method, *SMALL,
            "--out", data / "run")  # fmt: skip
    run = lfl.load_run(data / "run")
    assert run.result.kind == "multilabel"
    assert 0 <= run.result.test_error < (0.25 if "adalfl" not in method else 0.6)
    assert {"macro_f1", "micro_f1", "subset_error"} <= run.result.test.keys()
    assert run.result.test["subset_error"] >= run.result.test_error


@pytest.mark.slow
def test_a_baseline_is_training_on_torchs_binary_cross_entropy(run_lfl, data: Path) -> None:
    run_lfl("train", "--task", data / "data.npz", "--kind", "multilabel", "--method", "baseline", *SMALL,
            "--out", data / "run")  # fmt: skip
    run, task = lfl.load_run(data / "run"), load_task(str(data / "data.npz"), data, kind="multilabel")
    settings = run.settings
    from lfl.training import build_problem

    problem = build_problem(task, settings)
    (weight, bias) = (t.clone().requires_grad_() for t in (problem.theta_0["1.weight"], problem.theta_0["1.bias"]))
    optimiser = torch.optim.SGD([weight, bias], lr=settings.inner_lr, momentum=settings.momentum)
    for step in range(settings.steps):
        x, y = problem.batch("train", "train", step)
        optimiser.zero_grad()
        logits = torch.nn.functional.linear(x, weight, bias)
        torch.nn.functional.binary_cross_entropy_with_logits(logits, y.float()).backward()
        optimiser.step()
    torch.testing.assert_close(run.theta["1.weight"], weight.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_a_table_with_several_targets_is_trained_evaluated_predicted_and_reported(run_lfl, data: Path) -> None:
    out = run_lfl("train", "--task", data / "data.csv", "--target", "red,round,large", "--kind", "multilabel",
                  "--method", "residual", *SMALL, "--out", data / "run")  # fmt: skip
    assert "multilabel, 3 labels, inputs [5]" in out
    assert "test error of a label" in run_lfl("eval", data / "run")
    run_lfl("predict", data / "run", "--input", data / "data.csv", "--out", data / "found.csv")
    rows = list(csv.DictReader((data / "found.csv").read_text().splitlines()))
    assert list(rows[0])[:4] == ["label red", "label round", "label large", "probability of red"]
    found = np.array([[int(row[f"label {name}"]) for name in ("red", "round", "large")] for row in rows])
    assert (found == Y).mean() > 0.8
    run_lfl("predict", data / "run", "--input", data / "data.csv", "--out", data / "found.npz")
    with np.load(data / "found.npz") as arrays:
        assert (arrays["labels"] == found).all()
        assert ((arrays["probabilities"] > 0.5) == found).all()
    assert lfl.load_run(data / "run").classes == ["red", "round", "large"]
    run_lfl("report", data / "run", "--out", data / "report.html")
    assert "micro F1" in (data / "report.html").read_text()
    run_lfl("train", "--task", data / "data.csv", "--target", "red,round,large", "--kind", "multilabel", "--method",
            "fixed", "--loss-from", data / "run", *SMALL, "--out", data / "again")  # fmt: skip


@pytest.mark.slow
def test_a_table_with_several_real_targets_is_regression(data: Path) -> None:
    task = load_task(str(data / "data.csv"), data, target="a, b")
    assert (task.kind, task.num_outputs, task.input_shape) == ("regression", 2, (6,))


def test_labels_from_loaders_and_data_sets() -> None:
    pair = torch.from_numpy(X), torch.from_numpy(Y)
    for source in ([pair], torch.utils.data.TensorDataset(*pair)):
        task = lfl.task_from_loaders(source, kind="multilabel")
        assert (task.kind, task.num_outputs, task.train.y.dtype) == ("multilabel", 3, torch.int64)


BAD = {
    "value": (X, Y * 2, "labels are 0 or 1, got 2 in row . of train"),
    "one column": (X, Y[:, 0], r"several labels are \[n, labels\], each 0 or 1, got int64 \[150\]"),
    "words": (X, np.array(["a", "b"])[Y], "several labels are"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_targets_are_refused_in_words(name: str) -> None:
    x, y, words = BAD[name]
    with pytest.raises(lfl.UserError, match=words):
        lfl.task_from_arrays(x, y, kind="multilabel")
    with pytest.raises(lfl.UserError, match="train has 3 labels and test 2"):
        lfl.task_from_arrays(X, Y, X, Y[:, :2], kind="multilabel")


def test_what_is_for_classes_alone_is_refused_in_words(run_lfl, data: Path) -> None:
    common = ["train", "--task", data / "data.npz", "--kind", "multilabel", *SMALL, "--out", data / "run"]
    for more, words in [
        (["--method", "residual", "--label-noise", "symmetric:0.2"], "--label-noise is for classes"),
        (["--method", "residual", "--outliers", "shift:0.2"], "--outliers is for real values"),
        (["--method", "residual", "--loss", "vector-scaling"], "vector-scaling is for classes"),
        (["--method", "baseline", "--loss", "huber"], "--loss of baseline for multilabel"),
    ]:
        assert words in run_lfl(*common, *more, fails=True)
