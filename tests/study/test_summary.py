"""Lines summed up from folders."""

import json
import statistics
from pathlib import Path

import pytest

from lfl.report.statistics import Spread
from lfl.study import Line, candidates_of, entries, read_outcome, run_grid, summarise
from lfl.study.outcome import Outcome
from lfl.study.summary import Summary

from .cases import cell, worker


def write(study, seed: int, *, test: float, valid: float, seconds: float = 1.0) -> None:
    """Put other numbers in the place of a run's."""
    (study.run(seed) / "timing.jsonl").write_text(json.dumps({"seconds": seconds * 2}) + "\n")
    result = study.run(seed) / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"test_error": test, "valid_error": valid}))


def test_of_candidates_the_best_on_validation_error_is_reported_on_test(tmp_path: Path) -> None:
    line = Line("digits", "logistic", "baseline-tuned", candidates_of("baseline-tuned", 0.01)[:3])
    cells = [cell(tmp_path, f"baseline schedule=cosine inner_lr={rate}") for rate in (0.001, 0.00316, 1e38)]
    assert summarise(line, cells, [0, 1]) is None
    run_grid(cells, [0, 1], worker())
    for each, (valid, test) in zip(cells[:2], [((0.3, 0.1), 0.5), ((0.2, 0.1), 0.9)], strict=True):
        for seed in (0, 1):
            write(each, seed, test=test + seed / 10, valid=valid[seed], seconds=3.0)
    found = summarise(line, cells, [0, 1])
    assert found.cell is cells[1]  # not that of least test error, nor the one that diverged
    assert found.test == {0: 0.9, 1: 1.0}
    assert found.error == (pytest.approx(0.95), pytest.approx(statistics.stdev([0.9, 1.0])))
    assert found.seconds == [6.0, 6.0]  # of the candidates that ended
    assert summarise(line, cells, [0, 1, 2]) is None
    only_diverged = summarise(line, cells[2:], [0, 1])
    assert [outcome.seed for outcome in only_diverged.diverged] == [0, 1]


def summary(label: str, errors: list[float], seconds: list[float], published=None, task: str = "mnist") -> Summary:
    study = cell(Path("unused"), "baseline")
    outcomes = [
        Outcome(seed, error, 0.1, 1.0, commit, None if error == error else "loss became nan")
        for seed, (error, commit) in enumerate(zip(errors, ["a", "b", "b+a"], strict=False))
    ]
    return Summary(Line(task, "logistic", label, (), published), study, outcomes, seconds)


def test_entries_set_a_line_beside_the_paper_and_the_baselines() -> None:
    base = summary("baseline", [0.5, 0.7, 0.9], [2.0, 2.0, 2.0])
    tuned = summary("baseline-tuned", [0.4, 0.5, 0.6], [10.0, 10.0, 10.0])
    ours = summary("adalfl", [0.1, 0.2, 0.3], [4.0, 6.0, 8.0], Spread(0.1, 0.05))
    found = {e.key[2]: e for e in entries([base, tuned, ours], {"digits/logistic": base}, hours=False)}
    entry = found["adalfl"]
    assert (entry.seeds, entry.off, entry.time_ratio) == (3, pytest.approx(2.0), 3.0)
    assert entry.less_baseline.mean == pytest.approx(-0.5)
    assert entry.less_tuned.mean == pytest.approx(-0.3)
    assert entry.published_ratio == pytest.approx(0.55 / 0.06)
    assert entry.commit == "a+b"
    assert found["baseline"].less_baseline is None
    assert (found["baseline-tuned"].less_tuned, found["baseline-tuned"].note) == (None, "rate 0.01")
    assert found["baseline-tuned"].less_baseline.mean == pytest.approx(-0.2)


def test_hours_and_divergence() -> None:
    ours = summary("adalfl", [0.1, 0.2], [1800.0, 5400.0], Spread(0.55, None))
    gone = summary("ml3", [0.1, float("nan")], [], task="own")
    hours, diverged = entries([ours, gone], {}, hours=True)
    assert (hours.found.mean, hours.off, hours.time_ratio) == (1.0, None, None)
    assert diverged.found.mean != diverged.found.mean
    (error,) = entries([gone], {}, hours=False)
    assert error.note == "diverged with seed 1"
    assert error.published_ratio is None


def test_outcomes_of_a_summary_are_those_on_the_disk(tmp_path: Path) -> None:
    study = cell(tmp_path, "baseline")
    run_grid([study], [3, 4], worker())
    found = summarise(Line("digits", "logistic", "baseline", candidates_of("baseline", 0.01)), [study], [4, 3])
    assert found.outcomes == [read_outcome(study, 4), read_outcome(study, 3)]
