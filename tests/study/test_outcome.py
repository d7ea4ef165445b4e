"""What is read of a seed."""

import json
from pathlib import Path

import pytest

import lfl
from lfl.study import read_outcome, run_grid
from lfl.study.commit import source
from lfl.study.outcome import ORIGIN, write_origin

from .cases import cell, worker


def test_an_outcome_is_what_the_run_folder_says(tmp_path: Path) -> None:
    study = cell(tmp_path, "baseline")
    assert read_outcome(study, 0) is None
    run_grid([study], [0, 1], worker())
    for seed in (0, 1):
        folder, outcome = study.run(seed), read_outcome(study, seed)
        result = json.loads((folder / "result.json").read_text())
        whole = json.loads((folder / "timing.jsonl").read_text().splitlines()[-1])["seconds"]
        assert outcome == (seed, result["test_error"], result["valid_error"], whole / 2, source(), None)


def test_a_run_that_lfl_train_made_counts_too(tmp_path: Path) -> None:
    study = cell(tmp_path, "baseline")
    run_grid([study], [0], worker())
    (study.run(0) / ORIGIN).unlink()
    assert read_outcome(study, 0).commit == lfl.__version__


def test_commits_of_a_run_that_was_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / ORIGIN).write_text(json.dumps({"commit": "abc", "seeds": 2}))
    for _ in range(2):
        write_origin(tmp_path, 2)
    assert json.loads((tmp_path / ORIGIN).read_text())["commit"] == f"abc+{source()}"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("timing.jsonl", "", "timing.jsonl is empty; the run cannot be used. Remove .*seed-0"),
        ("config.json", "{", "is not JSON"),
        ("result.json", "[]", "Expected `object`, got `array`"),
        ("result.json", '{"completed": true}', "lacks|missing required field"),
    ],
)
def test_damage_is_named(name: str, content: str, words: str, tmp_path: Path) -> None:
    study = cell(tmp_path, "baseline")
    run_grid([study], [0], worker())
    (study.run(0) / name).write_text(content)
    with pytest.raises(lfl.UserError, match=words):
        read_outcome(study, 0)
