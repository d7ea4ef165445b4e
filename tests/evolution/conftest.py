"""Small tasks in double precision, and settings for them."""

import math
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lfl.data.splits import Split
from lfl.evolution import Protocol
from lfl.task import Task, load_task, task_from_arrays
from lfl.training import Settings, resolve

RNG = np.random.default_rng(0)
SMALL = {"local_steps": 3, "filter_steps": 20, "filter_rows": 20, "fitness_steps": 4, "local_lr": 0.05}


@pytest.fixture
def double() -> Iterator[None]:
    """Models and weights are made in double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def digits() -> Task:
    """Digits in double precision."""
    return in_double(load_task("digits", Path("unused")))


def values() -> Task:
    """Two real targets of three inputs, in double precision."""
    x = RNG.normal(size=(80, 3))
    return in_double(task_from_arrays(x, np.stack([x[:, 0], x[:, 1] * x[:, 2]], 1), name="values"))


def in_double(task: Task) -> Task:
    def wide(split: Split) -> Split:
        return Split(split.x.double(), split.y.double() if split.y.is_floating_point() else split.y)

    return replace(task, train=wide(task.train), valid=wide(task.valid), test=wide(task.test))


def settings_of(task: Task, **asked: Any) -> Settings:
    return resolve(task.defaults, **{"model": "logistic", "batch_size": 16, "compile": "off", **asked})


def small(**asked: Any) -> Protocol:
    return Protocol(**{**SMALL, **asked})


@pytest.fixture(autouse=True)
def _own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """`own_models:noisy`, a model with batch norm and dropout."""
    module = types.ModuleType("own_models")

    def noisy(shape: Any, outputs: int) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(math.prod(shape), 12),
            torch.nn.BatchNorm1d(12),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(12, outputs),
        )

    noisy.__module__ = "own_models"
    module.noisy = noisy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_models", module)
