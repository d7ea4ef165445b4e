"""What phi is judged by: by name, by a user's function, and refused in words."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import lfl
from lfl.catalogue import METHODS
from lfl.loss import OBJECTIVES
from lfl.method import plan
from lfl.task import load_task
from lfl.training import TASK_LOSSES, build_problem, build_programs, objective_of, resolve, train

TASKS = {name: load_task(name, Path("unused")) for name in ("digits", "diabetes")}
LEARNING = [name for name, method in METHODS.items() if method.learns]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the user's."""
    module = ModuleType("own_objectives")
    module.brier = lambda outputs, y: ((torch.softmax(outputs, -1) - torch.eye(10)[y]) ** 2).sum(-1)
    module.mean = lambda outputs, y: lfl.cross_entropy(outputs, y).mean()
    module.number = lambda outputs, y: 3.0
    module.whole = lambda outputs, y: y
    monkeypatch.setitem(sys.modules, "own_objectives", module)
    return module


def settings(task: str = "digits", **asked):
    small = {"model": "logistic", "steps": 6, "offline_steps": 4, "batch_size": 16, "log_every": 1}
    return resolve(TASKS[task].defaults, task=task, **(small | asked))


def lines(task: str = "digits", **asked) -> list[tuple[str, dict[str, float]]]:
    """The numbers of each step, and the final parameters."""
    chosen = settings(task, **asked)
    steps = train(
        plan(chosen.method, build_problem(TASKS[task], chosen)),
        measure=lambda *_: [{}],
        log_every=1,
        eval_every=chosen.steps,
    )
    return [(progress.phase.name, progress.metrics[0]) for progress in steps if progress.metrics is not None]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, losses in OBJECTIVES.items() for name in losses])
def test_names_are_the_librarys_and_none_is_the_tasks_own(kind: str, name: str) -> None:
    task = {"regression": "diabetes"}.get(kind, "digits")
    assert objective_of(kind, settings(task, objective=name)) is OBJECTIVES[kind][name]
    assert objective_of(kind, settings(task)) is TASK_LOSSES[kind] is next(iter(OBJECTIVES[kind].values()))


def test_a_name_of_the_other_kind_is_refused() -> None:
    with pytest.raises(lfl.UserError, match=r"--objective for regression.*soft-f1.*squared-error"):
        objective_of("regression", settings("diabetes", objective="soft-f1"))


@pytest.mark.parametrize("method", ["baseline", "fixed"])
def test_a_method_that_learns_nothing_takes_none_but_to_keep_the_best(method: str) -> None:
    asked = {"method": method, "objective": "brier", "loss_from": "run" if method == "fixed" else None}
    with pytest.raises(lfl.UserError, match=rf"--method {method} learns nothing; leave it out, or keep .* --keep best"):
        settings(**asked)
    assert settings(**asked, keep="best").objective == "brier"


@pytest.mark.parametrize("method", LEARNING)
def test_every_method_that_learns_is_judged_by_it_offline_and_online(method: str) -> None:
    """Phi goes the way of the objective in each phase; asking for the task's own by name changes nothing."""
    plain, named, other = (
        lines(method=method, objective=name, meta_every=1) for name in (None, "cross-entropy", "brier")
    )
    assert plain == named
    norms = [
        [(phase, numbers["phi_grad_norm"]) for phase, numbers in run if numbers["phi_grad_norm"] > 0]
        for run in (plain, other)
    ]
    assert {phase for phase, _ in norms[0]} == ({"init"} if method == "ml3" else {"init", "train"})
    assert all(a != b for a, b in zip(*norms, strict=True))


def test_a_users_function_is_the_same_loss_by_another_name(own: ModuleType) -> None:
    ours, theirs = (lines(objective=name) for name in ("brier", "own_objectives:brier"))
    assert [phase for phase, _ in ours] == [phase for phase, _ in theirs]
    for (_, a), (_, b) in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "got"), [("mean", r"\[\] of torch.float32"), ("number", "float"), ("whole", r"\[8\] of torch.int64")]
)
def test_a_users_function_must_give_a_value_for_each_example(own: ModuleType, name: str, got: str) -> None:
    with pytest.raises(lfl.UserError, match=rf"own_objectives:{name} must return real numbers \[batch\].*got {got}"):
        build_programs(TASKS["digits"], settings(objective=f"own_objectives:{name}"), many_seeds=False, compiled=False)


def test_a_function_that_is_not_there_is_named() -> None:
    with pytest.raises(lfl.UserError, match="objective math:no_such cannot be imported"):
        objective_of("classification", settings(objective="math:no_such"))
