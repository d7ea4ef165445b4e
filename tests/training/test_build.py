"""A problem: which models it is built for, and what its batches hold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import lfl
from lfl.catalogue import METHODS
from lfl.method import plan
from lfl.task import load_task, task_from_arrays
from lfl.training import build_problem, build_programs, corrupted_train, resolve, train
from lfl.trees import leaves

DIGITS = load_task("digits", Path("unused"))
RNG = np.random.default_rng(0)
VALUES = task_from_arrays(RNG.normal(size=(60, 3)), RNG.normal(size=(60, 2)), name="values")


class Squeezed(nn.Module):
    """Outputs without the dimension that single ones have."""

    def __init__(self, num_inputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(num_inputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1)).squeeze(1)


MODELS = {
    "more": lambda shape, outputs: nn.Sequential(nn.Flatten(), nn.Linear(shape.numel(), outputs + 1)),
    "fewer": lambda shape, outputs: nn.Sequential(nn.Flatten(), nn.Linear(shape.numel(), 1)),
    "squeezed": lambda shape, outputs: Squeezed(shape.numel()),
    "right": lambda shape, outputs: nn.Sequential(nn.Flatten(), nn.Linear(shape.numel(), outputs)),
}


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models above as functions of a module `own_models`."""
    module = type(lfl)("own_models")
    for name, make in MODELS.items():
        setattr(module, name, lambda shape, outputs, make=make: make(torch.Size(shape), outputs))
    monkeypatch.setitem(__import__("sys").modules, "own_models", module)


@pytest.mark.usefixtures("own_models")
@pytest.mark.parametrize("seeds", [None, [0, 1]])
@pytest.mark.parametrize(
    ("task", "name", "got"),
    [
        (DIGITS, "more", r"\[1, 11\] for one example, but digits needs \[1, 10\], one for each class"),
        (DIGITS, "fewer", r"\[1, 1\] for one example, but digits needs \[1, 10\]"),
        (VALUES, "more", r"\[1, 3\] for one example, but values needs \[1, 2\], one for each target column"),
        (VALUES, "squeezed", r"\[1\] for one example, but values needs \[1, 2\]"),
    ],
)
def test_a_model_of_other_outputs_is_refused(task, name: str, got: str, seeds) -> None:
    settings = resolve(task.defaults, model=f"own_models:{name}", method="baseline")
    with pytest.raises(lfl.UserError, match=f"model own_models:{name} gives outputs {got}"):
        build_problem(task, settings, seeds=seeds)


@pytest.mark.usefixtures("own_models")
@pytest.mark.parametrize("task", [DIGITS, VALUES])
def test_the_check_changes_no_draw(task) -> None:
    settings = resolve(task.defaults, model="own_models:right", method="adalfl")
    before = torch.random.get_rng_state()
    problem = build_problem(task, settings)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(not leaf.requires_grad for leaf in leaves(problem.theta_0))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("digits", {"label_noise": "symmetric:0.5", "imbalance": 4.0}),
        ("diabetes", {"outliers": "shift:0.5"}),
    ],
)
def test_batches_of_spoiled_train_data(name: str, asked: dict[str, Any]) -> None:
    """Each seed trains on what its own draws left of train; valid is what it was."""
    task = load_task(name, Path("unused"))
    chosen = [resolve(task.defaults, model="logistic", batch_size=200, seed=seed, **asked) for seed in (3, 4)]
    steps = build_programs(task, chosen[0], many_seeds=True, compiled=False)
    together = build_problem(task, chosen[0], seeds=[3, 4], steps=steps)
    for i, one in enumerate(chosen):
        x, y = build_problem(task, one).batch("train", "train", 7)
        left = corrupted_train(task, one, one.seed)
        known = {tuple(row.flatten().tolist()): j for j, row in enumerate(task.train.x[left.rows])}
        rows = torch.tensor([known[tuple(row.flatten().tolist())] for row in x])
        assert torch.equal(y, left.y[rows])
        assert 0.3 < float(left.wrong[rows].float().mean()) < 0.7
        assert all(torch.equal(a[i], b) for a, b in zip(together.batch("train", "train", 7), (x, y), strict=True))
        clean = build_problem(task, one).batch("valid", "valid", 7)
        whole = build_problem(task, resolve(task.defaults, model="logistic", batch_size=200, seed=one.seed))
        assert all(torch.equal(a, b) for a, b in zip(clean, whole.batch("valid", "valid", 7), strict=True))


MARK = 1e6
"""What the first input of every clean row is; those of train lie about zero."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("asked", [{}, {"horizon": 2, "meta_every": 4}, {"offline_objective": "valid"}])
@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_clean_data_never_enter_a_batch_of_the_model(kind: str, method: str, asked: dict, seeds: list | None) -> None:
    x, clean = RNG.normal(size=(60, 3)), RNG.normal(size=(7, 3))
    clean[:, 0] = MARK
    y = np.arange(60) % 2 if kind == "classification" else x[:, 1]
    task = task_from_arrays(x, y, x[:9], y[:9], x_valid=clean, y_valid=y[:7], kind=kind)
    assert len(task.train.y) == 60
    loss_from = {"loss_from": "elsewhere", "loss": "network"} if method == "fixed" else {}
    small = {"model": "logistic", "steps": 8, "offline_steps": 4, "batch_size": 16, "inner_lr": 1e-9, "compile": "off"}
    settings = resolve(task.defaults, method=method, **small, **asked, **loss_from)
    phi = build_problem(task, resolve(task.defaults, **small)).phi_0 if method == "fixed" else None
    steps = build_programs(task, settings, many_seeds=seeds is not None, compiled=False)
    problem = build_problem(task, settings, seeds=seeds, steps=steps, phi=phi)
    numbers: list[dict[str, float]] = [{} for _ in seeds or [0]]
    train_first: list[torch.Tensor] = []
    valid_first: list[torch.Tensor] = []

    def base(theta, phi, batch, *rest):
        train_first.append(batch[0][..., 0])
        return problem.programs.base(theta, phi, batch, *rest)

    def meta(theta, phi, batches_tr, batch_val, *rest):
        train_first.extend(batch[0][..., 0] for batch in batches_tr)
        valid_first.append(batch_val[0][..., 0])
        return problem.programs.meta(theta, phi, batches_tr, batch_val, *rest)

    watched = replace(problem, programs=problem.programs._replace(base=base, meta=meta))
    for _ in train(plan(method, watched), measure=lambda *_: numbers, log_every=4, eval_every=8):
        pass
    assert len(train_first) >= 8
    assert all(bool((batch.abs() < 10).all()) for batch in train_first)
    online = [batch for batch in valid_first if bool((batch > 1000).all())]
    learns_online = method in ("adalfl", "adalfl+lr", "meta-lr")
    assert len(online) >= (8 // settings.meta_every if learns_online else 0)
    if settings.offline_objective == "valid":
        assert len(online) == len(valid_first)


def test_what_a_baseline_learns_does_not_depend_on_clean_data() -> None:
    x = RNG.normal(size=(60, 3))
    thetas = []
    for clean in (x[:7], x[:7] * MARK):
        task = task_from_arrays(x, np.arange(60) % 2, x_valid=clean, y_valid=np.arange(7) % 2)
        settings = resolve(task.defaults, model="logistic", method="baseline", steps=20, compile="off")
        *_, last = train(
            plan("baseline", build_problem(task, settings)), measure=lambda *_: [{}], log_every=9, eval_every=9
        )
        thetas.append(last.state.theta)
    assert all(torch.equal(thetas[0][name], thetas[1][name]) for name in thetas[0])
