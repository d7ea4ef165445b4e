"""A logger that fails costs a warning, never the training; one that cannot start says so before anything is trained."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import lfl
from lfl.run import execute, execute_seeds, resume
from lfl.run.logger import Guarded, log_picture, start_loggers
from lfl.task import load_task
from lfl.training import Progress, resolve

TASK = load_task("digits", Path("unused"))
SMALL: dict[str, Any] = {"model": "logistic", "steps": 6, "offline_steps": 3, "batch_size": 8}


class Kept:
    """A logger that keeps what it is told, and fails where it is asked to."""

    def __init__(self, fails: str = "", at: int = 0) -> None:
        self.fails, self.at = fails, at
        self.calls: list[tuple[Any, ...]] = []

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] == self.fails and (call[0] != "log" or call[1] == self.at):
            raise ConnectionError("the server is gone")

    def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
        self._note("start", dict(settings), step)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._note("log", step, dict(numbers))

    def figure(self, name: str, picture: Any, step: int) -> None:
        self._note("figure", name, picture, step)

    def close(self) -> None:
        self._note("close")


def logged(folder: Path, offline: int = 3) -> list[tuple[int, dict[str, float]]]:
    """What metrics.jsonl says, as loggers are told it."""
    rows = []
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        phase, step = row.pop("phase"), row.pop("step")
        rows.append((step + (offline if phase == "train" else 0), {f"{phase}/{k}": v for k, v in row.items()}))
    return rows


def test_a_logger_of_python_is_told_what_metrics_say_and_shown_the_learned_loss(tmp_path: Path) -> None:
    mine = Kept()
    run = lfl.train("digits", **SMALL, out=tmp_path / "run", device="cpu", loggers=[mine])
    (start, settings, step), *numbers, picture, end = mine.calls
    assert (start, step, settings["model"], settings["steps"]) == ("start", 0, "logistic", 6)
    assert [call[1:] for call in numbers] == logged(run.folder)
    assert picture == ("figure", "learned loss", run.folder / "losses.png", 9)
    assert picture[2].read_bytes().startswith(b"\x89PNG")
    assert end == ("close",)


def test_runs_are_the_same_to_the_byte_with_loggers(tmp_path: Path) -> None:
    settings = resolve(TASK.defaults, **SMALL)
    with_, without = tmp_path / "with", tmp_path / "without"
    execute(TASK, settings, with_, loggers=[Kept()])
    execute(TASK, settings, without)
    names = {path.name for path in without.iterdir()}
    assert {path.name for path in with_.iterdir()} == names
    for name in names - {"timing.jsonl"}:
        assert (with_ / name).read_bytes() == (without / name).read_bytes()


@pytest.mark.parametrize("fails", ["log", "figure", "close"])
def test_a_logger_that_fails_is_left_out_with_one_warning(fails: str, tmp_path: Path) -> None:
    broken, whole = Kept(fails, at=4), Kept()
    with pytest.warns(UserWarning, match="Kept failed .*the server is gone.* metrics.jsonl has every number") as seen:
        run = lfl.train("digits", **SMALL, out=tmp_path / "run", device="cpu", loggers=[broken, whole])
    assert len(seen) == 1
    assert run.result is not None
    assert run.result.completed
    assert [call[1:] for call in whole.calls if call[0] == "log"] == logged(run.folder)
    steps = [call[1] for call in broken.calls if call[0] == "log"]
    assert steps == ([1, 2, 3, 4] if fails == "log" else [step for step, _ in logged(run.folder)])
    assert broken.calls[-1] == ("close",)


def test_one_that_cannot_start_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    first = Kept()
    with pytest.raises(lfl.Failure, match=r"Kept cannot start .ConnectionError: the server is gone.; put that right"):
        lfl.train("digits", **SMALL, out=tmp_path / "run", device="cpu", loggers=[first, Kept("start")])
    assert [call[0] for call in first.calls] == ["start", "close"]
    assert not (tmp_path / "run").exists()


def test_errors_of_lfl_stay_as_they_are() -> None:
    class Picky(Kept):
        def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
            raise lfl.UserError("another file, please")

    with pytest.raises(lfl.UserError, match=r"^another file, please$"):
        start_loggers([Picky()], {}, 0)


def test_a_resumed_run_says_how_many_steps_are_done(tmp_path: Path) -> None:
    settings = resolve(TASK.defaults, **SMALL, checkpoint_every=2)

    def stop(progress: Progress) -> None:
        if progress.phase.name == "train" and progress.step == 4:
            raise KeyboardInterrupt

    before, after = Kept(), Kept()
    folder = execute(TASK, settings, tmp_path / "run", stop, loggers=[before]).folder
    resume(folder, loggers=[after])
    assert after.calls[0][2] == 7
    assert [call[1:] for call in [*before.calls, *after.calls] if call[0] == "log"] == logged(folder)


def test_loggers_are_for_one_seed(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase.name == "train":
            raise KeyboardInterrupt

    execute_seeds(TASK, resolve(TASK.defaults, **SMALL), [0, 1], tmp_path / "run", stop)
    with pytest.raises(lfl.UserError, match="holds several seeds, and loggers are for one"):
        resume(tmp_path / "run", loggers=[Kept()])


def test_a_picture_that_cannot_be_drawn_is_a_warning() -> None:
    def fail() -> Path:
        raise OSError("no room")

    kept = Kept()
    with pytest.warns(UserWarning, match="no picture of the learned loss for the loggers .no room"):
        log_picture([Guarded(kept)], "learned loss", fail, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_picture([], "learned loss", fail, 3)
        log_picture([Guarded(kept)], "learned loss", lambda: None, 3)
    assert kept.calls == []
