"""Run folders as reports read them, whole and damaged, and which runs are seeds of the same experiment."""

import json
import math
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.report import collect_runs
from lfl.report.collect import labels_of, read_run
from lfl.settings import BEFORE

from .folders import write_run


def test_what_a_folder_holds(tmp_path: Path) -> None:
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


def test_a_result_records_the_kind(tmp_path: Path) -> None:
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
    "config with an unknown method": (change("config.json", method="maml"), "unknown --method"),
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
    with pytest.raises(lfl.UserError, match=words) as raised:
        read_run(folder)
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    asked = [
        {"method": method, "seed": seed, "model": model} | other
        for model in ("mlp", "lenet5")
        for method, other in (("baseline", {}), ("adalfl", {}), ("adalfl", {"outer_lr": 1e-3, "horizon": 5}))
        for seed in (0, 1, 10)
    ]
    return [write_run(root / str(i), **each) for i, each in enumerate(asked)]


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_groups_hold_runs_that_differ_only_in_their_seed(seed: int, folders: list[Path]) -> None:
    shuffled = random.Random(seed).sample(folders, len(folders))
    comparisons, repeats = collect_runs(shuffled)
    assert repeats == []
    assert {c.model for c in comparisons} == {"mlp", "lenet5"}
    for comparison in comparisons:
        assert [group.label for group in comparison.groups] == [
            "baseline",
            "adalfl, outer_lr=1e-05, horizon=1, meta_every=1",
            "adalfl, outer_lr=0.001, horizon=5, meta_every=5",
        ]
        for group in comparison.groups:
            assert [run.seed for run in group.runs] == [0, 1, 10]
            assert all(run.settings == group.settings for run in group.runs)
    assert sorted(str(run.folder) for c in comparisons for g in c.groups for run in g.runs) == sorted(map(str, folders))


def test_a_folder_of_seeds_stands_for_its_runs(tmp_path: Path) -> None:
    for seed in (2, 10, 11):
        write_run(tmp_path / "runs" / f"seed-{seed}", seed=seed)
    (tmp_path / "runs" / "seed-3").mkdir()
    (tmp_path / "runs" / "config.json").write_text("of all the seeds")
    (tmp_path / "runs" / "seed-11" / "metrics.jsonl").unlink()  # its turn is still to come
    (whole,), _ = collect_runs([tmp_path / "runs"])
    assert [run.folder.name for run in whole.groups[0].runs] == ["seed-2", "seed-10"]


def test_a_run_of_an_older_version_joins_the_runs_that_record_the_same_defaults(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"seed-{seed}", seed=seed)
    path = tmp_path / "seed-0" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in config.items() if name not in BEFORE}))
    ((group,),) = (comparison.groups for comparison in collect_runs([tmp_path / "seed-0", tmp_path / "seed-1"])[0])
    assert [run.seed for run in group.runs] == [0, 1]


def test_settings_of_logging_and_checkpoints_separate_no_groups(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "seed-0")
    write_run(tmp_path / "runs" / "seed-1", seed=1, checkpoint_every=7, log="tensorboard")
    (comparison,), _ = collect_runs([tmp_path / "runs"])
    assert [len(group.runs) for group in comparison.groups] == [2]


def test_the_same_folder_counts_once(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "seed-0")
    comparisons, repeats = collect_runs([folder, tmp_path / "runs", tmp_path / "runs" / "." / "seed-0"])
    assert [len(group.runs) for group in comparisons[0].groups] == [1]
    assert repeats == []


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_runs_of_a_seed_the_finished_one_counts_and_the_other_is_reported(first: int, tmp_path: Path) -> None:
    done = write_run(tmp_path / "done")
    half = write_run(tmp_path / "half", test_error=None)
    comparisons, repeats = collect_runs([done, half] if first == 0 else [half, done])
    assert [run.folder for run in comparisons[0].groups[0].runs] == [done]
    assert repeats == [(half, done)]


def test_curves_count_finished_runs_where_there_are_any(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "seed-0", test_error=None)
    group = collect_runs([tmp_path / "a"])[0][0].groups[0]
    assert group.counted == group.runs
    write_run(tmp_path / "a" / "seed-1", seed=1)
    assert [run.seed for run in collect_runs([tmp_path / "a"])[0][0].groups[0].counted] == [1]


def test_settings_that_one_run_did_not_record_separate_groups_but_are_not_in_labels(tmp_path: Path) -> None:
    new, old = (write_run(tmp_path / name) for name in ("new", "old"))
    text = (old / "config.json").read_text()
    (old / "config.json").write_text(text.replace('"schedule": "constant", ', ""))
    assert text != (old / "config.json").read_text()
    labels = labels_of(collect_runs([new, old])[0])
    assert labels == ["adalfl", "adalfl (2)"]


def test_a_task_from_a_file_is_named_by_the_file(tmp_path: Path) -> None:
    comparisons, _ = collect_runs([write_run(tmp_path / "run", task="/somewhere/my table.csv", kind="regression")])
    assert comparisons[0].title == "my table.csv, mlp"
    assert comparisons[0].error == "mean squared error"


def test_what_is_not_a_run_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, words in (("nowhere", "no such folder"), ("file", "it is a file"), (".", r"no config\.json and no seed")):
        with pytest.raises(lfl.UserError, match=words):
            collect_runs([tmp_path / name])
    folder = write_run(tmp_path / "run")
    shutil.rmtree(folder)
    with pytest.raises(lfl.UserError, match="no such folder"):
        collect_runs([folder])
