"""The best step: found, kept for each seed, carried over an interruption, and told beside the last."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from sklearn.metrics import log_loss

import lfl
from lfl.method import State
from lfl.run import execute, execute_seeds, load_model_and_data, measure_test, predict, resume
from lfl.run import test_error as error_on_test
from lfl.run.evaluation import Best, best_of, better, snapshot
from lfl.step import Carry
from lfl.task import load_task
from lfl.training import Progress, resolve

from .test_resume import contents, stop_at

TASKS = {name: load_task(name, Path("unused")) for name in ("digits", "diabetes")}
SMALL: dict[str, Any] = {"model": "logistic", "steps": 40, "offline_steps": 6, "batch_size": 8, "checkpoint_every": 7}
ROUGH = {"method": "meta-lr", "inner_lr": 1.0, "eval_every": 3}
"""A learned rate that starts where the error goes up and down, and is not evaluated at every step."""


def settings_of(task: str = "digits", **asked: Any):
    return resolve(TASKS[task].defaults, task=task, **(SMALL | ROUGH | asked))


def evaluations(folder: Path, name: str = "valid_error") -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line[name] for line in lines if name in line}


def first_least(found: dict[int, float]) -> int:
    return next(step for step in sorted(found) if found[step] == min(found.values()))


def state(value: float) -> State:
    tensors = {"w": torch.full((2,), value)}
    return State(tensors, None, Carry((), None, {}))


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, math.inf, math.nan]), min_size=1, max_size=12))
def test_the_best_is_the_first_of_the_least_and_no_number_is_worst(scores: list[float]) -> None:
    best: Best | None = None
    for step, score in enumerate(scores, 1):
        best = better(best, step, score, state(step))
    usable = [math.inf if math.isnan(score) else score for score in scores]
    assert best is not None
    assert best.step == 1 + int(np.argmin(usable))
    assert best.score == min(usable)
    assert best.model.theta["w"].tolist() == [best.step] * 2


@given(st.integers(1, 2**40), st.floats(allow_nan=False))
def test_tensors_bring_it_back(step: int, score: float) -> None:
    best = better(None, step, score, state(0.5))
    found = best_of(best.tensors(), snapshot(state(0.0)), "a checkpoint")
    assert (found.step, found.score, found.model.phi) == (step, score, None)
    assert torch.equal(found.model.theta["w"], best.model.theta["w"])
    assert best_of({}, snapshot(state(0.0)), "a checkpoint") is None


def test_what_is_kept_is_a_copy_and_of_the_same_model() -> None:
    given_state = state(1.0)
    best = better(None, 1, 0.5, given_state)
    given_state.theta["w"].zero_()
    assert best.model.theta["w"].tolist() == [1.0, 1.0]
    for change in ({"score": torch.tensor(0.5)}, {"model.theta['w']": torch.zeros(3)}, {"more": torch.zeros(1)}):
        with pytest.raises(lfl.UserError, match="here has a best step of another model"):
            best_of(best.tensors() | change, snapshot(given_state), "here")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["baseline", "meta-lr"])
def test_the_best_is_the_argmin_of_the_validation_errors_and_is_what_was_there(
    task: str, method: str, tmp_path: Path
) -> None:
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def watch(progress: Progress) -> None:
        if progress.phase.name == "train":
            state = progress.state
            seen[progress.step] = state.theta | {f"phi {name}": t for name, t in (state.phi or {}).items()}

    rough = {"inner_lr": 0.3} if task == "diabetes" else {}
    asked = settings_of(task, method=method, **rough)
    last = execute(TASKS[task], asked, tmp_path / "last")
    best = execute(TASKS[task], settings_of(task, method=method, keep="best", **rough), tmp_path / "best", watch)
    errors = evaluations(tmp_path / "last")
    step = first_least(errors)
    assert step < max(errors)  # or nothing is told apart
    assert (tmp_path / "last" / "metrics.jsonl").read_bytes() == (tmp_path / "best" / "metrics.jsonl").read_bytes()
    for result in (last, best):
        assert (result.best.step, result.best.valid_error) == (step, errors[step])
        assert (result.last.step, result.last.valid_error) == (40, errors[40])
        assert json.loads((result.folder / "result.json").read_text())["best"]["step"] == step
    assert (last.best, last.last) == (best.best, best.last)
    for result, kept, at in ((last, last.last, 40), (best, best.best, step)):
        assert (result.valid_error, result.test_error) == (kept.valid_error, kept.test_error)
        assert (result.step, result.completed) == (40, True)
        saved = load_file(result.folder / "theta.safetensors")
        assert all(torch.equal(t, seen[at][name]) for name, t in saved.items())
        if method == "meta-lr":
            phi = load_file(result.folder / "phi.safetensors")
            assert all(torch.equal(t, seen[at][f"phi {name}"]) for name, t in phi.items())
        assert measure_test(*load_model_and_data(result.folder)) == (result.test_error, result.test)


def test_with_an_objective_the_best_is_the_argmin_of_its_values_over_the_whole_split(tmp_path: Path) -> None:
    """Against scikit-learn's log loss of the model that was kept."""
    result = execute(TASKS["digits"], settings_of(objective="cross-entropy", keep="best", inner_lr=0.3), tmp_path / "a")
    values, errors = evaluations(result.folder, "valid_objective"), evaluations(result.folder)
    assert result.best.step == first_least(values)
    assert first_least(values) != first_least(errors)  # or nothing is told apart
    model, task = load_model_and_data(result.folder)
    outputs = model.apply_fn(model.theta, model.buffers, task.valid.x, training=False)[0].detach().double()
    expected = log_loss(task.valid.y, torch.softmax(outputs, 1), labels=range(10))
    assert result.valid["objective"] == pytest.approx(expected, rel=1e-5)
    assert values[result.best.step] == result.valid["objective"]
    assert result.valid["objective"] == pytest.approx(result.valid["negative_log_likelihood"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["last", "best"])
@pytest.mark.parametrize("stop", [("init", 3), ("train", 2), ("train", 20), ("train", 35)])
def test_a_stopped_run_keeps_its_best_so_far_and_resumes_to_the_same_bytes(
    stop: tuple[str, int], keep: str, tmp_path: Path
) -> None:
    asked = settings_of(keep=keep, objective="brier" if keep == "best" else None)
    execute(TASKS["digits"], asked, tmp_path / "whole")
    stopped = execute(TASKS["digits"], asked, tmp_path / "run", stop_at(*stop))
    assert not stopped.completed
    folder = tmp_path / "run"
    if stop in (("init", 3), ("train", 2)):
        assert stopped.best is None
        assert stopped.valid_error == stopped.last.valid_error
    else:
        assert stopped.best.step == first_least(
            evaluations(folder, "valid_error" if keep == "last" else "valid_objective")
        )
        assert stopped.valid_error == (stopped.best if keep == "best" else stopped.last).valid_error
    assert error_on_test(*load_model_and_data(folder)) == stopped.test_error
    (again,) = resume(folder)
    assert again.best is not None
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize("model", ["logistic", pytest.param("mlp", marks=pytest.mark.slow)])
def test_each_of_many_seeds_keeps_its_own(model: str, tmp_path: Path) -> None:
    """Together (logistic) and one after the other (mlp); stopped and resumed they are the same to the byte."""
    asked = settings_of(model=model, keep="best", inner_lr=1.0 if model == "logistic" else 0.3)
    seeds = [3, 4, 5]
    results = execute_seeds(TASKS["digits"], asked, seeds, tmp_path / "whole")
    for result in results:
        errors = evaluations(result.folder)
        assert (result.best.step, result.best.valid_error) == (first_least(errors), min(errors.values()))
        assert error_on_test(*load_model_and_data(result.folder)) == result.test_error == result.best.test_error
    assert len({result.best.step for result in results}) > 1
    execute_seeds(TASKS["digits"], asked, seeds, tmp_path / "stopped", stop_at("train", 24))
    resume(tmp_path / "stopped")
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_predictions_are_those_of_the_model_that_was_kept(tmp_path: Path) -> None:
    test = TASKS["digits"].test
    mean, deviation = TASKS["digits"].encoding.scale
    np.savez(tmp_path / "x.npz", x=(test.x.double() * deviation + mean).numpy())
    wrong = []
    for keep in ("last", "best"):
        result = execute(TASKS["digits"], settings_of(keep=keep), tmp_path / keep)
        predict(result.folder, tmp_path / "x.npz", tmp_path / f"{keep}.npz")
        wrong.append(float((np.load(tmp_path / f"{keep}.npz")["class"] != test.y.numpy()).mean()))
        assert wrong[-1] == pytest.approx(result.test_error, abs=1e-9)
    assert wrong[0] != wrong[1]


TASK = load_task("digits", Path("unused"))


def lines(folder: Path, **asked) -> list[dict[str, float]]:
    settings = resolve(TASK.defaults, model="logistic", method="ml3", steps=6, offline_steps=0, batch_size=16, **asked)
    execute(TASK, settings, folder)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_loss_that_no_step_learns_is_measured_alike_whatever_judges_it(tmp_path: Path) -> None:
    """The effective rate stays a comparison with the task's own loss; the objective is a column of its own."""
    plain, judged = lines(tmp_path / "plain"), lines(tmp_path / "judged", objective="brier")
    assert [sorted(line.keys() - judged[0].keys()) for line in plain] == [[]] * 6
    for a, b in zip(plain, judged, strict=True):
        assert a["effective_lr"] == b["effective_lr"] != 0
        assert b.keys() - a.keys() == {"valid_objective"}
        assert {name for name in a if a[name] != b[name]} == {"outer_loss"}
        assert 0 <= b["outer_loss"] <= 2
    assert (tmp_path / "plain" / "theta.safetensors").read_bytes() == (
        tmp_path / "judged" / "theta.safetensors"
    ).read_bytes()
