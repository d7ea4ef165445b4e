"""Each task: its splits, its scaling, and its published defaults."""

from pathlib import Path

import pytest
import torch

import lfl
from lfl.data import scikit
from lfl.task import TASKS, load_task


@pytest.mark.parametrize(
    ("name", "eval_split", "sizes"),
    [
        ("digits", False, (1293, 144, 360)),
        ("diabetes", False, (317, 36, 89)),
        ("digits", True, (1163, 144, 360, 130)),
    ],
)
def test_splits_part_the_data(name: str, eval_split: bool, sizes: tuple[int, ...], tmp_path: Path) -> None:
    task = load_task(name, tmp_path, eval_split=eval_split)
    assert tuple(len(split.y) for split in task.splits.values()) == sizes
    everything = torch.cat([split.x.flatten(1) for split in task.splits.values()])
    original = getattr(scikit, name)().x.flatten(1)
    assert len(everything) == len(original)
    assert len(torch.unique(everything, dim=0)) == len(torch.unique(original, dim=0))
    assert not list(tmp_path.iterdir())


def test_digits_are_standardised_by_train_and_stratified(tmp_path: Path) -> None:
    task = load_task("digits", tmp_path)
    assert (task.kind, task.num_outputs, task.input_shape) == ("classification", 10, (1, 8, 8))
    assert float(task.train.x.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(task.train.x.std(correction=0)) == pytest.approx(1.0, abs=1e-5)
    assert torch.bincount(task.valid.y).min() >= 14


def test_diabetes_is_scaled_by_train(tmp_path: Path) -> None:
    task = load_task("diabetes", tmp_path)
    assert (task.kind, task.num_outputs, task.input_shape) == ("regression", 1, (10,))
    assert float(task.train.y.min()) == 0.0
    assert float(task.train.y.max()) == 1.0
    torch.testing.assert_close(task.train.x.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    assert (task.defaults.steps, task.defaults.inner_lr) == (10_000, 0.001)


def test_published_defaults(tmp_path: Path) -> None:
    defaults = load_task("diabetes", tmp_path).defaults
    assert (defaults.batch_size, defaults.offline_steps, defaults.offline_lr, defaults.outer_lr) == (
        128,
        2500,
        1e-3,
        1e-5,
    )


def test_unknown_tasks_are_named(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=rf"unknown task 'imagenet'; choose one of: {', '.join(TASKS)}, FILE.npz"):
        load_task("imagenet", tmp_path)
