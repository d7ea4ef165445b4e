"""How far a study is, while it runs."""

from pathlib import Path

import pytest

from lfl.study import run_grid, running

from .cases import cell, worker


@pytest.mark.parametrize(("model", "who"), [("logistic", "2 seeds"), ("mlp", "seed 1")])
def test_what_runs_is_seen_from_its_folder(model: str, who: str, tmp_path: Path) -> None:
    study = cell(tmp_path, model=model)
    seen = []
    run_grid([study], [0, 1], worker(lambda: seen.append(running(study, [0, 1]))))
    assert all(len(found) == 1 for found in seen)
    last = seen[-1][0]
    assert (last.seeds, last.phase, last.step, last.total) == (who, "train", 6, 6)
    assert last.valid_error is not None
    assert ("init", 3, 3) in [(found[0].phase, found[0].step, found[0].total) for found in seen]
    assert seen[0][0].phase is None
    assert running(study, [0, 1]) == []


def test_what_a_dead_process_left_does_not_run(tmp_path: Path) -> None:
    study = cell(tmp_path)
    (study.scratch(0) / "runs" / "seed-0").mkdir(parents=True)
    study.lock(0).write_text("")
    assert running(study, [0]) == []
