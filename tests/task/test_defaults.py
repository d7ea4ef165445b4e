"""Defaults that are known without data are those of the tasks."""

from pathlib import Path

import pytest

from lfl.task import DEFAULTS, TASKS, load_task


def test_every_named_task_has_its_defaults() -> None:
    assert list(DEFAULTS) == list(TASKS)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_a_task_is_trained_by_them(name: str) -> None:
    assert load_task(name, Path("unused")).defaults == DEFAULTS[name]
