"""How far a study is, while it runs."""

from pathlib import Path

import pytest

from lfl.run.folder import write_json
from lfl.study import StatusReader
from lfl.study.control import FOLDER, orders_path
from lfl.study.status import running

from .cases import experiment, line_of, run, write_models


@pytest.mark.slow
@pytest.mark.parametrize(("model", "who"), [("logistic", "2 seeds"), ("mine:linear", "seed 0")])
def test_what_trains_is_seen_from_its_folder(model: str, who: str, tmp_path: Path, monkeypatch) -> None:
    write_models(tmp_path)
    monkeypatch.chdir(tmp_path)
    study = experiment(tmp_path, "baseline", model, steps=600, log_every=10, eval_every=100)
    seen = []
    run(tmp_path, [study], [0, 1], progress=seen.append)
    assert (seen[0].ended, seen[0].runs, seen[0].lines[0].now) == (0, 2, [])
    trained = [now[0] for status in seen if (now := status.lines[0].now)]
    assert all(each is study for each, _ in trained)
    first = next(found for _, found in trained if found.phase == "train")
    assert (first.seeds, first.total) == (who, 600)
    assert 0 <= first.step <= 600
    assert any(found.valid_error is not None for _, found in trained)
    last = seen[-1]
    assert (last.ended, last.lines[0].now) == (2, [])
    assert [outcome.seed for _, outcome in last.lines[0].ended] == [0, 1]
    assert last.lines[0].summary.test.keys() == {0, 1}


def test_what_an_earlier_study_left_does_not_run(tmp_path: Path) -> None:
    study = experiment(tmp_path)
    (study.scratch(0) / "runs" / "seed-0").mkdir(parents=True)
    write_json(study.scratch(0) / "starts.json", {"study": "before", "count": 1})
    assert running(study, [0], "now") == []
    (found,) = running(study, [0], "before")
    assert (found.seeds, found.phase) == ("seed 0", None)
    reader = StatusReader(tmp_path, [(line_of(study), [study])], [0])
    assert reader.read().lines[0].now == []  # no study runs
    (tmp_path / FOLDER).mkdir()
    write_json(orders_path(tmp_path), {"study": "before", "written": 1, "stop": None})
    assert len(reader.read().lines[0].now) == 1
