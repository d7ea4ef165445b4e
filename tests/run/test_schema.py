"""Each file of a run folder is of the types that it is declared with, or refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins

import lfl
from lfl.run import execute
from lfl.run.schema import ADDED, last_seconds, read_ended, read_facts, read_known, read_lines, read_settings
from lfl.task import load_task
from lfl.training import resolve

GOOD = asdict(resolve(load_task("digits", Path("unused")).defaults)) | {"device": "cpu", "compiled": False}
ENDED = {"phase": "train", "step": 3, "completed": True, "valid_error": 0.5, "test_error": 0.25, "kind": "regression"}


def write(folder: Path, name: str, *values: Any) -> Path:
    (folder / name).write_text("\n".join(map(json.dumps, values)))
    return folder


def test_what_is_whole_is_read(tmp_path: Path) -> None:
    write(tmp_path, "config.json", GOOD | {"a setting of tomorrow": 1})
    assert asdict(read_settings(tmp_path)).items() <= GOOD.items()
    assert (read_facts(tmp_path).compiled, read_facts(tmp_path).seeds) == (False, None)
    assert read_ended(tmp_path) is None
    found = read_ended(write(tmp_path, "result.json", ENDED | {"test_error": float("inf")}))
    assert (found.test_error, found.kind) == (float("inf"), "regression")
    write(tmp_path, "timing.jsonl", {"seconds": 1}, {"seconds": 2.5})
    assert last_seconds(tmp_path) == 2.5


def test_an_older_version_s_settings_are_known_as_far_as_they_go(tmp_path: Path) -> None:
    write(tmp_path, "config.json", {"task": "digits", "seed": 3})
    assert read_known(tmp_path / "config.json") == {"task": "digits", "seed": 3} | ADDED
    with pytest.raises(lfl.UserError, match="lacks batch_size"):
        read_settings(tmp_path)


def test_settings_that_came_later_are_what_they_were_before(tmp_path: Path) -> None:
    """Each is the default of today, so that a run from before them is read as it was made."""
    assert {name: GOOD[name] for name in ADDED} == ADDED
    write(tmp_path, "config.json", {name: value for name, value in GOOD.items() if name not in ADDED})
    assert asdict(read_settings(tmp_path)).items() <= GOOD.items()
    write(tmp_path, "config.json", GOOD | {"objective": "brier", "keep": "best"})
    assert (read_settings(tmp_path).objective, read_settings(tmp_path).keep) == ("brier", "best")


def test_a_result_from_before_metrics_is_read(tmp_path: Path) -> None:
    found = read_ended(write(tmp_path, "result.json", ENDED))
    assert (found.valid, found.test, found.last, found.best) == ({}, {}, None, None)
    look = {"step": 2, "valid_error": 0.5, "test_error": 0.25}
    found = read_ended(write(tmp_path, "result.json", ENDED | {"test": {"r2": 1}, "best": look}))
    assert (found.test, to_builtins(found.best)) == ({"r2": 1.0}, look)


@pytest.mark.parametrize("name", ADDED)
def test_a_setting_that_an_older_version_did_not_have_is_what_it_was(name: str, tmp_path: Path) -> None:
    older = {key: value for key, value in GOOD.items() if key != name}
    assert read_settings(write(tmp_path, "config.json", older)) == resolve(load_task("digits", tmp_path).defaults)


SETTINGS: dict[str, Any] = {
    "objective": 3,
    "keep": "first",
    "steps": 1e300,
    "seed": 2**63,
    "batch_size": 0,
    "inner_lr": float("nan"),
    "outer_lr": 1e300,
    "momentum": -1,
    "nesterov": 1,
    "task": "a\0b",
    "model": "\ud800",
    "method": "maml",
    "schedule": [],
    "loss_from": 3,
    "valid": 3,
    "valid_size": 0,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_out_of_its_range_is_named(name: str, tmp_path: Path) -> None:
    write(tmp_path, "config.json", GOOD | {name: SETTINGS[name]})
    for read in (read_settings, lambda folder: read_known(folder / "config.json")):
        with pytest.raises(lfl.UserError, match=r"config\.json"):
            read(tmp_path)


@pytest.mark.parametrize("seeds", [[], [-1], [True], [0.5], ["../x"], "0", [1, 1], [2**63], 3])
def test_seeds_are_whole_numbers_each_once(seeds: Any, tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=r"config\.json"):
        read_facts(write(tmp_path, "config.json", GOOD | {"seeds": seeds}))


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "x"},
        {"step": -1},
        {"completed": 1},
        {"kind": 1},
        {"test_error": None},
        {"best": 1},
        {"test": {"r2": "a"}},
    ],
)
def test_a_result_of_another_type_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match=r"result\.json is damaged"):
        read_ended(write(tmp_path, "result.json", ENDED | change))


@pytest.mark.parametrize("line", [{"phase": "x", "step": 1}, {"phase": "init", "step": 1, "a": "b"}, [], {"step": 1}])
def test_a_line_of_metrics_is_named(line: Any, tmp_path: Path) -> None:
    good = {"phase": "init", "step": 1, "a": 2}
    assert read_lines(write(tmp_path, "good", good) / "good") == [good]
    with pytest.raises(lfl.UserError, match="bad, line 2, is not a phase"):
        read_lines(write(tmp_path, "bad", good, line) / "bad")


def test_a_run_of_an_older_version_is_read_with_what_it_did(tmp_path: Path) -> None:
    """`config.json` without the settings that came later."""
    task = load_task("digits", tmp_path)
    settings = resolve(task.defaults, model="logistic", steps=4, offline_steps=2, batch_size=8)
    folder = execute(task, settings, tmp_path / "run").folder
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in config.items() if name not in ADDED}))
    assert read_settings(folder) == settings
    assert read_known(path) == config
    lfl.load_loss(folder)
    path.write_text(json.dumps({name: value for name, value in config.items() if name != "steps"}))
    with pytest.raises(lfl.UserError, match="lacks steps"):
        read_settings(folder)
