"""Every task and model of the paper's Table 1 under methods of every kind, and batch norm under each of them."""

import os
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from lfl.data.splits import Split
from lfl.errors import Failure
from lfl.randomness import generator
from lfl.run import execute, load_model_and_data
from lfl.run import test_error as error_on_test
from lfl.task import DEFAULTS, Task, load_task
from lfl.task.defaults import PAD
from lfl.task.task import build_task
from lfl.training import evaluate, resolve
from lfl.training.build import ERRORS

REAL = Path(os.environ.get("LFL_DATA", "~/.cache/lfl")).expanduser()
FILES = {
    "crime": "communities/communities.data",
    "california": "scikit_learn_data/cal_housing_py3.pkz",
    "mnist": "MNIST/raw/train-images-idx3-ubyte",
}
"""Where the data of a task are, if they are at hand."""

SHAPES = {
    "crime": (100,),
    "california": (8,),
    "mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "cifar100": (3, 16, 16),
    "svhn": (3, 16, 16),
}
"""Those of the data; half the side for the wide networks, which take any, for the sake of time."""

TABLE_1 = [
    ("crime", "mlp"),
    ("diabetes", "mlp"),
    ("california", "mlp"),
    ("mnist", "logistic"),
    ("mnist", "mlp"),
    ("mnist", "lenet5"),
    ("cifar10", "vgg16"),
    ("cifar10", "allcnnc"),
    ("cifar10", "resnet18"),
    ("cifar10", "squeezenet"),
    ("cifar100", "wrn28-10"),
    ("svhn", "wrn16-8"),
]
METHODS = ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr"]
CONVOLUTIONAL = TABLE_1[6:]
"""Their models are large: each under the method that learns both, offline and online, and under one more in turn."""

MATRIX = [(*row, method) for row in TABLE_1[:6] for method in METHODS]
MATRIX += [(*row, method) for i, row in enumerate(CONVOLUTIONAL) for method in (METHODS[-1], METHODS[i % 4])]


def synthetic(name: str) -> Task:
    """Noise, in as few rows as can be split."""
    shape = SHAPES[name]
    classes = 100 if name == "cifar100" else 10
    g = generator(0, name)
    x, test_x = torch.randn(60, *shape, generator=g), torch.randn(2, *shape, generator=g)
    if len(shape) == 1:
        y, test_y = torch.rand(60, 1, generator=g), torch.rand(2, 1, generator=g)
        return build_task(name, "regression", Split(x, y), Split(test_x, test_y), 1, DEFAULTS[name])
    y, test_y = torch.arange(60) % classes, torch.arange(2)
    train, test, pad = Split(x, y), Split(test_x, test_y), PAD if shape[0] == 3 else None
    return build_task(name, "classification", train, test, classes, DEFAULTS[name], pad=pad)


@cache
def table_task(name: str) -> Task:
    """The real data where they are at hand, else noise; a few rows to evaluate, for the sake of time."""
    task = None
    if name == "diabetes" or (name in FILES and (REAL / FILES[name]).is_file()):
        with suppress(Failure):  # without torchvision
            task = load_task(name, REAL)
    task = task or synthetic(name)
    few = {split: Split(data.x[:2], data.y[:2]) for split, data in task.splits.items() if split != "train"}
    return replace(task, **few)


@pytest.mark.slow
@pytest.mark.parametrize(("task_name", "model", "method"), MATRIX)
def test_the_whole_matrix_runs(task_name: str, model: str, method: str, tmp_path: Path) -> None:
    if model in {"resnet18", "squeezenet"}:
        pytest.importorskip(
            "torchvision",
            reason="torchvision does not import beside this torch",
            exc_type=(ImportError, RuntimeError),
        )
    task = table_task(task_name)
    settings = resolve(
        task.defaults, task=task_name, model=model, method=method, steps=2, offline_steps=1, batch_size=2
    )
    result = execute(task, settings, tmp_path / "run")
    assert result.completed
    assert result.test_error >= 0.0
    assert (result.folder / "phi.safetensors").exists() == (method != "baseline")


def small_batch_norm_network(input_shape: tuple[int, ...], num_outputs: int) -> torch.nn.Module:
    """Two convolutions with batch norm, for images of any size."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(input_shape[0], 8, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(16, num_outputs),
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_running_statistics_evaluate_like_batch_statistics(method: str, tmp_path: Path) -> None:
    """Without them code on `higher` evaluates near chance: an error of 0.9 on ten digits."""
    task = load_task("digits", tmp_path)
    model = f"{__name__}:small_batch_norm_network"
    settings = resolve(
        task.defaults,
        task="digits",
        model=model,
        method=method,
        steps=150,
        offline_steps=150,
        offline_lr=0.005,
        inner_lr=0.3,
        batch_size=64,
    )
    result = execute(task, settings, tmp_path / "run")
    run, data = load_model_and_data(result.folder, tmp_path)
    assert error_on_test(run, data) == result.test_error
    with_batch_statistics, _ = run.apply_fn(run.theta, run.buffers, task.test.x, training=True)
    error = float((with_batch_statistics.argmax(-1) != task.test.y).double().mean())
    assert result.test_error == pytest.approx(error, abs=0.05)
    assert result.test_error < 0.5
    assert evaluate(run.apply_fn, run.theta, run.buffers, task.valid, ERRORS[task.kind]) == result.valid_error
