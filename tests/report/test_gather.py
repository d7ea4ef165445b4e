"""Which runs are seeds of the same thing, whatever order they come in."""

import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.report import gather
from lfl.report.gather import labels_of
from lfl.run.schema import ADDED

from .folders import write_run


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


@given(seed=st.integers(0, 10**6))
def test_groups_hold_what_differs_in_seed_alone(seed: int, folders: list[Path]) -> None:
    shuffled = random.Random(seed).sample(folders, len(folders))
    comparisons, repeats = gather(shuffled)
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
    (whole,), _ = gather([tmp_path / "runs"])
    assert [run.folder.name for run in whole.groups[0].runs] == ["seed-2", "seed-10"]


def test_a_run_of_an_older_version_is_of_the_group_of_those_that_say_what_it_left_unsaid(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"seed-{seed}", seed=seed)
    path = tmp_path / "seed-0" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in config.items() if name not in ADDED}))
    ((group,),) = (comparison.groups for comparison in gather([tmp_path / "seed-0", tmp_path / "seed-1"])[0])
    assert [run.seed for run in group.runs] == [0, 1]


def test_how_a_run_is_watched_and_saved_parts_no_groups(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "seed-0")
    write_run(tmp_path / "runs" / "seed-1", seed=1, checkpoint_every=7, log="tensorboard")
    (comparison,), _ = gather([tmp_path / "runs"])
    assert [len(group.runs) for group in comparison.groups] == [2]


def test_the_same_folder_counts_once(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "seed-0")
    comparisons, repeats = gather([folder, tmp_path / "runs", tmp_path / "runs" / "." / "seed-0"])
    assert [len(group.runs) for group in comparisons[0].groups] == [1]
    assert repeats == []


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_runs_of_a_seed_the_finished_one_counts_and_the_other_is_told(first: int, tmp_path: Path) -> None:
    done = write_run(tmp_path / "done")
    half = write_run(tmp_path / "half", test_error=None)
    comparisons, repeats = gather([done, half] if first == 0 else [half, done])
    assert [run.folder for run in comparisons[0].groups[0].runs] == [done]
    assert repeats == [(half, done)]


def test_curves_count_finished_runs_where_there_are_any(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "seed-0", test_error=None)
    group = gather([tmp_path / "a"])[0][0].groups[0]
    assert group.counted == group.runs
    write_run(tmp_path / "a" / "seed-1", seed=1)
    assert [run.seed for run in gather([tmp_path / "a"])[0][0].groups[0].counted] == [1]


def test_settings_that_one_run_did_not_record_part_groups_but_do_not_name_them(tmp_path: Path) -> None:
    new, old = (write_run(tmp_path / name) for name in ("new", "old"))
    text = (old / "config.json").read_text()
    (old / "config.json").write_text(text.replace('"schedule": "constant", ', ""))
    assert text != (old / "config.json").read_text()
    labels = labels_of(gather([new, old])[0])
    assert labels == ["adalfl", "adalfl (2)"]


def test_a_task_of_ones_own_is_called_by_its_file(tmp_path: Path) -> None:
    comparisons, _ = gather([write_run(tmp_path / "run", task="/somewhere/my table.csv", kind="regression")])
    assert comparisons[0].title == "my table.csv, mlp"
    assert comparisons[0].error == "mean squared error"


def test_what_is_not_a_run_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, words in (("nowhere", "no such folder"), ("file", "it is a file"), (".", r"no config\.json and no seed")):
        with pytest.raises(lfl.UserError, match=words):
            gather([tmp_path / name])
    folder = write_run(tmp_path / "run")
    shutil.rmtree(folder)
    with pytest.raises(lfl.UserError, match="no such folder"):
        gather([folder])
