"""Run folders as reports read them, whole and damaged."""

import json
import math
from pathlib import Path

import pytest

import lfl
from lfl.report.read import read_run

from .folders import write_run


def test_what_a_folder_tells(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", seed=3, outer_lr=0.5, valid=[0.5, 0.25]))
    assert (run.seed, run.completed, run.seconds) == (3, True, 1.5)
    assert run.settings["outer_lr"] == 0.5
    assert run.facts.items() >= {"device": "cpu", "threads": 1, "torch": "2.15.0", "log": "none"}.items()
    assert not run.facts.keys() & run.settings.keys()
    assert run.over_steps("valid_error") == {10: 0.5, 20: 0.25}
    assert run.over_steps("effective_lr") == {10: 0.05, 20: 0.025}
    assert run.over_steps("inner_lr") == {}
    assert run.curves is not None


def test_offline_steps_are_not_steps_of_the_model(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    lines = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(json.dumps({"phase": "init", "step": 10, "valid_error": 9.0}) + "\n" + lines)
    assert read_run(folder).over_steps("valid_error")[10] == 0.5


def test_a_run_that_still_trains_is_read(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", test_error=None))
    assert (run.result, run.completed, run.curves) == ({}, False, None)


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("method", ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr", "fixed"])
def test_kind_is_found_for_every_method(kind: str, method: str, tmp_path: Path) -> None:
    assert read_run(write_run(tmp_path / "run", method=method, kind=kind)).kind == kind


def test_a_result_tells_the_kind(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "loss_curves.npz").unlink()
    assert read_run(folder).kind is None
    change("result.json", kind="regression")(folder)
    assert read_run(folder).kind == "regression"


def test_a_rate_that_is_not_a_number_is_kept(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as file:
        print(json.dumps({"phase": "train", "step": 40, "effective_lr": math.nan}), file=file)
    assert math.isnan(read_run(folder).over_steps("effective_lr")[40])


def change(name: str, **values: object):
    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) | values
        (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))

    return spoil


def append(line: str):
    def spoil(folder: Path) -> None:
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(line)

    return spoil


DAMAGE = {
    "no config": (lambda f: (f / "config.json").unlink(), r"cannot read .*config\.json"),
    "config lacks the task": (change("config.json", task=...), "task is missing"),
    "config with a list for a model": (change("config.json", model=[1]), "--model must be a word"),
    "config with an unknown method": (change("config.json", method="maml"), "unknown method"),
    "config without a seed": (change("config.json", seed=...), "seed is missing"),
    "config with words for a number": (change("config.json", steps="many"), "--steps must be a whole number"),
    "no metrics": (lambda f: (f / "metrics.jsonl").unlink(), "has no metrics yet"),
    "empty metrics": (lambda f: (f / "metrics.jsonl").write_text(""), "has no metrics yet"),
    "half a line": (append('{"phase": "train", "st'), r"metrics\.jsonl, line 5, is not JSON"),
    "a line of bytes": (lambda f: (f / "metrics.jsonl").write_bytes(b"\xff\xfe\n"), "line 1, is not JSON"),
    "a line without a step": (append('{"phase": "train", "valid_error": 1}\n'), "line 5, is not a phase, a step and"),
    "a line with words": (append('{"phase": "train", "step": 4, "valid_error": "low"}\n'), "line 5, is not a phase"),
    "a line that is a list": (append("[1, 2]\n"), "line 5, is not a phase"),
    "an empty line": (append("\n"), "line 5, is not JSON"),
    "result not JSON": (lambda f: (f / "result.json").write_text("{"), r"result\.json is not JSON"),
    "result without an error": (change("result.json", test_error=...), "missing required field `test_error`"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_in_a_line(damage: str, tmp_path: Path) -> None:
    spoil, words = DAMAGE[damage]
    folder = write_run(tmp_path / "run")
    spoil(folder)
    with pytest.raises(lfl.UserError, match=words) as told:
        read_run(folder)
    assert "\n" not in str(told.value)
