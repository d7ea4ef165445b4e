"""What tests of the command line share."""

import sys
from pathlib import Path

import pytest
from lfl_cli.app import main

from lfl.run import execute
from lfl.task import load_task
from lfl.training import Progress, resolve

SMALL = {"steps": 4, "offline_steps": 2, "batch_size": 8, "checkpoint_every": 1}


def stop(progress: Progress) -> None:
    """Interrupt a run in the midst of its training."""
    if (progress.phase.name, progress.step) == ("train", 2):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run and a stopped one, of a named model and a named task."""
    folder = tmp_path_factory.mktemp("runs")
    task = load_task("digits", folder)
    for name, watch in (("done", None), ("stopped", stop)):
        execute(task, resolve(task.defaults, model="logistic", **SMALL), folder / name, watch)
    return folder


@pytest.fixture
def lfl_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run `lfl` in this process, in an empty folder; give status, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lfl", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call
