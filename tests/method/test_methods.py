"""What each method learns: the loss, the rate, both; and a loss that was learned elsewhere."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import lfl
from lfl.catalogue import METHODS
from lfl.data.splits import draw_rows
from lfl.loss import REPRESENTATIONS
from lfl.method import plan
from lfl.run import execute, learned_loss_of
from lfl.task import load_task
from lfl.training import build_problem, resolve, train

TASK = load_task("digits", Path("unused"))


def states(method: str, **asked):
    small = {"model": "logistic", "steps": 6, "offline_steps": 4, "batch_size": 16, "log_every": 1, "eval_every": 100}
    chosen = resolve(TASK.defaults, method=method, **(small | asked))
    whole = plan(method, build_problem(TASK, chosen))
    return list(train(whole, measure=lambda *_: [{}], log_every=1, eval_every=100))


def test_phi_holds_what_is_learned() -> None:
    loss = {"0.weight", "1.weight", "2.weight"}
    expected = {
        "baseline": None,
        "ml3": loss,
        "meta-lr": {"inner_lr"},
        "adalfl": loss,
        "adalfl+lr": loss | {"inner_lr"},
        "residual": loss | {"cost"},
    }
    for method, names in expected.items():
        phi = plan(method, build_problem(TASK, resolve(TASK.defaults, method=method, model="logistic"))).state.phi
        assert (None if phi is None else set(phi)) == names
    assert set(METHODS) == {*expected, "fixed"}


def test_meta_lr_is_hypergradient_descent_on_the_rate() -> None:
    """For SGD the derivative by the rate is -<validation gradient after the step, train gradient before it>: a closed
    form. Against a loop that was written with autograd and `torch.optim.Adam`."""
    moves = [p for p in states("meta-lr", offline_steps=0, outer_lr=1e-3) if p.phase.name == "train"]
    theta = {name: p.clone() for name, p in moves[0].state.theta.items()}
    rate = torch.tensor(0.01, requires_grad=True)
    outer = torch.optim.Adam([rate], 1e-3)

    def gradient(split: str, step: int) -> dict[str, torch.Tensor]:
        data = getattr(TASK, split)
        rows = draw_rows(len(data.y), 16, seed=0, stream=split, step=step)
        leaves = {name: p.clone().requires_grad_() for name, p in theta.items()}
        weight, bias = leaves.values()
        outputs = torch.nn.functional.linear(data.x[rows].flatten(1), weight, bias)
        grads = torch.autograd.grad(torch.nn.functional.cross_entropy(outputs, data.y[rows]), leaves.values())
        return dict(zip(leaves, grads, strict=True))

    for step, progress in enumerate(moves[1:]):
        before = gradient("train", step)
        theta = {name: p - rate.item() * before[name] for name, p in theta.items()}
        after = gradient("valid", step)
        rate.grad = -sum((before[name] * after[name]).sum() for name in theta)
        outer.step()
        assert float(progress.state.phi["inner_lr"]) == pytest.approx(rate.item(), rel=1e-5)
        for name, p in theta.items():
            torch.testing.assert_close(progress.state.theta[name], p, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
@pytest.mark.parametrize("method", ["baseline", "meta-lr"])
def test_schedules_scale_the_rate_of_every_method(method: str, schedule: str) -> None:
    """The size of a step on a fixed loss is the rate times the gradient's norm."""
    moves = [p for p in states(method, offline_steps=0, schedule=schedule, outer_lr=0.0) if p.phase.name == "train"]
    factors = {
        "constant": [1.0] * 6,
        "cosine": [0.5 + 0.5 * float(torch.cos(torch.tensor(torch.pi * t / 6))) for t in range(6)],
        "step": [1.0, 1.0, 1.0, 0.1, 0.1, 0.01],
    }[schedule]
    for before, after, factor in zip(moves, moves[1:], factors, strict=False):
        moved = sum((after.state.theta[n] - p).square().sum() for n, p in before.state.theta.items()).sqrt()
        norm = after.metrics[0]["theta_grad_norm"]
        assert float(moved) == pytest.approx(0.01 * factor * norm, rel=1e-3)


@pytest.mark.parametrize(
    ("outer_schedule", "factors"),
    [
        ("constant", [1.0] * 6),
        ("step", [1.0, 1.0, 1.0, 0.1, 0.1, 0.01]),
        ("model", [0.5 + 0.5 * math.cos(math.pi * t / 6) for t in range(6)]),
    ],
)
def test_the_rate_of_what_is_learned_has_a_schedule_of_its_own(outer_schedule: str, factors: list[float]) -> None:
    """A first step of Adam is as long as its rate, whatever the gradient that is not tiny."""
    asked = {"steps": 6, "batch_size": 16, "inner_lr": 10.0, "outer_lr": 1e-3, "schedule": "cosine"}
    chosen = resolve(TASK.defaults, method="adalfl", model="logistic", outer_schedule=outer_schedule, **asked)
    problem = build_problem(TASK, chosen)
    phase = plan("adalfl", problem).phases[1]
    start = plan("adalfl", problem).state
    for step, factor in enumerate(factors):
        after, _ = phase.step(start, phase.draw(step))
        moved = (after.phi["1.weight"] - start.phi["1.weight"]).abs().max()
        assert float(moved) == pytest.approx(1e-3 * factor, rel=0.02)


def test_online_steps_judge_the_loss_on_valid_or_on_their_own_batch() -> None:
    drawn = {}
    for objective in ("train", "valid"):
        settings = resolve(TASK.defaults, model="logistic", meta_objective=objective, batch_size=8)
        drawn[objective] = plan("adalfl", build_problem(TASK, settings)).phases[1].draw(3)
    (own,), judged_on_own, _ = drawn["train"]
    assert torch.equal(own[0], judged_on_own[0])
    rows = {tuple(row.flatten().tolist()) for row in TASK.valid.x}
    assert all(tuple(row.flatten().tolist()) in rows for row in drawn["valid"][1][0])


@pytest.mark.parametrize("loss", ["cross-entropy", "focal", "label-smoothing"])
def test_the_baseline_trains_on_the_loss_that_was_asked_for(loss: str) -> None:
    moved = states("baseline", steps=1, loss=loss)[-1].state.theta
    start = states("baseline", steps=1, loss=loss)[0].state.theta
    rows = draw_rows(len(TASK.train.y), 16, seed=0, stream="train", step=0)
    weight, bias = (p.clone().requires_grad_() for p in start.values())
    outputs = torch.nn.functional.linear(TASK.train.x[rows].flatten(1), weight, bias)
    function = {"cross-entropy": lfl.cross_entropy, "focal": lfl.focal, "label-smoothing": lfl.label_smoothing}[loss]
    function(outputs, TASK.train.y[rows]).mean().backward()
    for p, new in zip((weight, bias), moved.values(), strict=True):
        torch.testing.assert_close(new, (p - 0.01 * p.grad).detach(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"method": "baseline", "loss": "network"}, "unknown --loss of baseline for classification 'network'"),
        ({"method": "baseline", "loss": "huber"}, "choose one of: cross-entropy"),
        ({"method": "adalfl", "loss": "cross-entropy"}, "choose one of: network, relu-softplus"),
    ],
)
def test_losses_that_a_method_does_not_have_are_named(asked, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        states(**asked)


@pytest.mark.slow
@pytest.mark.parametrize("loss", REPRESENTATIONS)
@pytest.mark.parametrize("source", ["ml3", "adalfl+lr"])
def test_a_loss_from_another_run_is_trained_with_as_it_stands(loss: str, source: str, tmp_path: Path) -> None:
    """A run of `fixed` on the loss of an ML3 run is that ML3 run without its offline phase."""
    small = {"model": "logistic", "steps": 6, "offline_steps": 4, "batch_size": 16, "loss": loss}
    first = execute(TASK, resolve(TASK.defaults, method=source, **small), tmp_path / "source")
    assert learned_loss_of(first.folder) == loss
    second = execute(
        TASK, resolve(TASK.defaults, method="fixed", loss_from=str(first.folder), **small), tmp_path / "target"
    )
    learned, used = (load_file(run.folder / "phi.safetensors") for run in (first, second))
    assert all(torch.equal(used[name], learned[name]) for name in used)
    assert set(learned) - set(used) == ({"inner_lr"} if source == "adalfl+lr" else set())
    if source == "ml3":
        for name, p in load_file(first.folder / "theta.safetensors").items():
            assert torch.equal(load_file(second.folder / "theta.safetensors")[name], p)
    assert json.loads((second.folder / "config.json").read_text())["loss_from"] == str(first.folder)


def test_runs_without_a_loss_to_give_are_named(tmp_path: Path) -> None:
    small = {"model": "logistic", "steps": 2, "offline_steps": 2, "batch_size": 16}
    baseline = execute(TASK, resolve(TASK.defaults, method="baseline", **small), tmp_path / "baseline")
    with pytest.raises(lfl.UserError, match=r"learned no loss \(method baseline\)"):
        learned_loss_of(baseline.folder)
    with pytest.raises(lfl.UserError, match=r"no such folder|cannot read"):
        learned_loss_of(tmp_path / "nowhere")
    diabetes = load_task("diabetes", tmp_path)
    other = execute(diabetes, resolve(diabetes.defaults, task="diabetes", method="ml3", **small), tmp_path / "other")
    with pytest.raises(lfl.UserError, match="learned for regression, got a task of classification"):
        execute(TASK, resolve(TASK.defaults, method="fixed", loss_from=str(other.folder), **small), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_residual_brings_settings_of_its_own_and_each_can_be_asked_for_otherwise() -> None:
    own = METHODS["residual"].defaults
    chosen = resolve(TASK.defaults, method="residual", steps=3000)
    assert {name: getattr(chosen, name) for name in own} == dict(own)
    assert chosen.inner_lr == TASK.defaults.inner_lr
    other = {"loss": "taylor-cubic", "offline_steps": 7, "outer_lr": 0.5, "meta_every": 3, "outer_schedule": "step"}
    other |= {"schedule": "constant", "momentum": 0.0, "clip_norm": 2.0}
    chosen = resolve(TASK.defaults, method="residual", **other)
    assert {name: getattr(chosen, name) for name in own} == other
    assert resolve(TASK.defaults, method="residual", optimizer="adam").momentum == 0.0


@pytest.mark.parametrize(
    ("asked", "every", "rate"),
    [({}, 10, 1e-2), ({"meta_every": 1}, 1, 1e-3), ({"horizon": 4}, 8, 8e-3), ({"steps": 1000}, 3, 3e-3)],
)
def test_the_rate_of_residual_goes_with_how_rarely_the_loss_learns(asked: dict, every: int, rate: float) -> None:
    asked = {"steps": 4000} | asked
    chosen = resolve(TASK.defaults, method="residual", **asked)
    assert (chosen.meta_every, chosen.outer_lr) == (every, pytest.approx(rate))
    assert resolve(TASK.defaults, method="residual", outer_lr=0.3, **asked).outer_lr == 0.3


@pytest.mark.parametrize("loss", ["residual", "residual-network", "true-class", "vector-scaling", "weight-net"])
def test_the_first_step_of_residual_is_the_baseline_s(loss: str) -> None:
    """Theta after a step, against the baseline's, by the length of the step: the loss starts at the hand-made one."""
    shared = {"steps": 1, "schedule": "cosine", "momentum": 0.9, "clip_norm": 1.0}
    baseline = states("baseline", **shared)
    learned = states("residual", loss=loss, meta_every=1, **shared, offline_steps=0)
    start, usual, ours = baseline[0].state.theta, baseline[-1].state.theta, learned[-1].state.theta
    length, off = (
        sum((a[name] - b[name]).square().sum() for name in start).sqrt() for a, b in ((usual, start), (ours, usual))
    )
    most = {"vector-scaling": 0.0, "weight-net": 0.05}.get(loss, 5e-3)
    assert float(off / length) <= most
