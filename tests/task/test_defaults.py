"""Defaults that are known without data are those of the tasks."""

from pathlib import Path

import pytest
import torch

import lfl
from lfl.catalogue import TASKS
from lfl.run import execute
from lfl.task import DEFAULTS, load_task
from lfl.training import resolve


def test_every_named_task_has_its_defaults() -> None:
    assert list(DEFAULTS) == list(TASKS)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_a_task_is_trained_by_them(name: str) -> None:
    assert load_task(name, Path("unused")).defaults == DEFAULTS[name]


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "rises"), [({}, True), ({"restart_every": 1}, False)])
def test_a_loss_of_real_values_rises_beyond_its_target(asked: dict, rises: bool, tmp_path: Path) -> None:
    """One that is learned on models as they are drawn, which lie below their targets, falls for ever."""
    task = load_task("diabetes", Path("unused"))
    asked |= {"model": "mlp-60", "inner_lr": 0.01, "offline_steps": 400, "steps": 1}
    settings = resolve(task.defaults, task="diabetes", method="ml3", **asked)
    loss = lfl.load_loss(execute(task, settings, tmp_path / "run").folder)
    for target in (0.25, 0.5, 0.75):
        at_target, beyond = (loss(torch.tensor([[output]]), torch.tensor([[target]])) for output in (target, 2.0))
        assert bool(beyond > at_target) is rises
