"""A run for each kind of target."""

from pathlib import Path

import pytest

from lfl.run import execute
from lfl.task import load_task
from lfl.training import resolve


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of short runs, by the kind of target."""
    found = {}
    for kind, name, method in (("classification", "digits", "adalfl"), ("regression", "diabetes", "adalfl+lr")):
        task = load_task(name, Path("unused"))
        settings = resolve(
            task.defaults, task=name, model="logistic", method=method, steps=20, offline_steps=10, outer_lr=1e-2
        )
        found[kind] = execute(task, settings, tmp_path_factory.mktemp("runs") / name).folder
    return found
