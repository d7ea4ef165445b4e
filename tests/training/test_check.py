"""What a run finds out about a model before its first step, compiled or not."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import lfl
from lfl.task import load_task
from lfl.training import build_problem, build_programs, compiles, resolve

TASK = load_task("digits", Path("unused"))

MODELS = """
import torch
from torch import nn
from torch.nn.utils import parametrizations


class Noisy(nn.Module):
    def forward(self, x):
        return x * torch.randint_like(x, 1, 3)


class Normal(nn.Module):
    def forward(self, x):
        return x + torch.randn(x.shape, device=x.device) if self.training else x


class Clamped(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            self.weight.clamp_(-1.0, 1.0)
        return super().forward(x)


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return torch.round(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return grad


class Rounding(nn.Module):
    def forward(self, x):
        return globals()["Rounded"].apply(x)


class RoundingInTheOpen(nn.Module):
    def forward(self, x):
        return Rounded.apply(x)


def build(*layers):
    first, last = (lambda: [nn.Flatten(), nn.Linear(64, 64)]), (lambda outputs: nn.Linear(64, outputs))
    return lambda shape, outputs: nn.Sequential(*first(), *[layer() for layer in layers], last(outputs))


plain = build()
noisy = build(Noisy)
normal = build(Normal)
clamped = build(lambda: Clamped(64, 64))
rounding = build(Rounding)
rounding_in_the_open = build(RoundingInTheOpen)
hard = build(nn.Hardsigmoid)


def weight_normed(shape, outputs):
    flat = nn.Sequential(nn.Flatten(), parametrizations.weight_norm(nn.Linear(64, outputs)))
    return nn.Sequential(nn.Conv2d(1, 1, 1), flat)
"""


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_models", raising=False)


def programs(model: str, *, compiled: bool = False, many_seeds: bool = False, **asked: Any) -> Any:
    settings = resolve(TASK.defaults, model=f"own_models:{model}", **asked)
    return build_programs(TASK, settings, many_seeds=many_seeds, compiled=compiled)


@pytest.mark.parametrize("method", ["adalfl", "ml3", "meta-lr", "baseline"])
def test_a_run_refuses_a_model_that_draws_random_numbers(method: str) -> None:
    with torch.random.fork_rng(), pytest.raises(lfl.UserError, match="draws random numbers"):
        programs("noisy", method=method)


@pytest.mark.parametrize("how", [{}, {"compiled": True}, {"many_seeds": True}, {"method": "baseline"}])
def test_a_run_draws_normal_noise_with_the_masks(how: dict[str, Any]) -> None:
    before = torch.get_rng_state()
    steps = programs("normal", **how)
    settings = resolve(TASK.defaults, model="own_models:normal", method=how.get("method", "adalfl"), batch_size=8)
    problem = build_problem(TASK, settings, steps=steps)
    first, again = (problem.batch("train", "train", 3)[2] for _ in range(2))
    assert {t.dtype for t in first} == {torch.float32}
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("how", [{"compiled": True}, {"many_seeds": True}])
def test_it_does_so_where_no_step_could_look(how: dict[str, bool]) -> None:
    with torch.random.fork_rng(), pytest.raises(lfl.UserError, match="draws random numbers"):
        programs("noisy", **how)


@pytest.mark.parametrize("method", ["adalfl", "baseline"])
def test_a_run_refuses_a_model_that_writes_to_its_parameters(method: str) -> None:
    with pytest.raises(lfl.UserError, match=r"module '2' \(Clamped\).*in place|theta\['2.weight'\].*in place"):
        programs("clamped", method=method)


@pytest.mark.parametrize("model", ["rounding", "rounding_in_the_open"])
def test_a_compiled_run_refuses_functions_whose_derivative_it_may_lose(model: str) -> None:
    with pytest.raises(lfl.UserError, match=r"torch\.autograd\.Function of its own \(Rounded\).*--compile off"):
        programs(model, compiled=True)
    programs(model)


def test_a_run_of_many_steps_stays_eager_for_such_functions() -> None:
    steps = {"steps": 10_000}
    assert compiles(TASK, resolve(TASK.defaults, model="own_models:plain", **steps))
    assert not compiles(TASK, resolve(TASK.defaults, model="own_models:rounding_in_the_open", **steps))


@pytest.mark.parametrize("model", ["hard", "weight_normed"])
@pytest.mark.parametrize("compiled", [False, True])
def test_auto_is_settled_before_the_run(model: str, compiled: bool) -> None:
    programs(model, compiled=compiled)
    refused = "unroll" if model == "hard" else "mixed"
    with pytest.raises(lfl.NotDifferentiable, match="differentiate"):
        programs(model, compiled=compiled, hypergradient=refused)


def test_the_callers_random_numbers_and_the_models_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    programs("plain")
    assert torch.equal(before, torch.random.get_rng_state())
