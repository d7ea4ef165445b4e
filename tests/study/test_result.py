"""What became of runs: outcomes, summaries, statistics, and the source that made them."""

import json
import math
import statistics
import subprocess
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.errors import Diverged
from lfl.report.statistics import Spread
from lfl.study import Line, Paired, candidates_of, deviations_off, paired, read_outcome, result, summarise
from lfl.study.result import ORIGIN, ratio, source, write_divergence, write_origin
from lfl.version import VERSION

from .cases import experiment, run


def test_an_outcome_is_what_the_run_folder_says(tmp_path: Path) -> None:
    study = experiment(tmp_path, "baseline")
    assert read_outcome(study, 0) is None
    run(tmp_path, [study], [0, 1])
    for seed in (0, 1):
        folder, outcome = study.run(seed), read_outcome(study, seed)
        result = json.loads((folder / "result.json").read_text())
        whole = json.loads((folder / "timing.jsonl").read_text().splitlines()[-1])["seconds"]
        assert outcome == (seed, result["test_error"], result["valid_error"], whole / 2, source(), None)


def test_a_run_that_lfl_train_made_counts_too(tmp_path: Path) -> None:
    study = experiment(tmp_path, "baseline")
    run(tmp_path, [study], [0])
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
    study = experiment(tmp_path, "baseline")
    run(tmp_path, [study], [0])
    (study.run(0) / name).write_text(content)
    with pytest.raises(lfl.UserError, match=words):
        read_outcome(study, 0)


def write(study, seed: int, *, test: float, valid: float, seconds: float = 1.0) -> None:
    """Put other numbers in the place of a run's."""
    (study.run(seed) / "timing.jsonl").write_text(json.dumps({"seconds": seconds * 2}) + "\n")
    result = study.run(seed) / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"test_error": test, "valid_error": valid}))


def test_of_candidates_the_best_on_validation_error_is_reported_on_test(tmp_path: Path) -> None:
    line = Line("digits", "logistic", "baseline-tuned", candidates_of("baseline-tuned", 0.01)[:3])
    cells = [experiment(tmp_path, f"baseline schedule=cosine inner_lr={rate}") for rate in (0.001, 0.00316, 1e38)]
    assert summarise(line, cells, [0, 1]) is None
    run(tmp_path, cells, [0, 1])
    for each, (valid, test) in zip(cells[:2], [((0.3, 0.1), 0.5), ((0.2, 0.1), 0.9)], strict=True):
        for seed in (0, 1):
            write(each, seed, test=test + seed / 10, valid=valid[seed], seconds=3.0)
    found = summarise(line, cells, [0, 1])
    assert found.experiment is cells[1]  # not that of least test error, nor the one that diverged
    assert found.test == {0: 0.9, 1: 1.0}
    assert found.error == (pytest.approx(0.95), pytest.approx(statistics.stdev([0.9, 1.0])))
    assert found.seconds == [6.0, 6.0]  # of the candidates that ended
    assert summarise(line, cells, [0, 1, 2]) is None
    write_divergence(cells[0], 0, Diverged("loss became nan"))
    assert summarise(line, cells, [0, 1]).seconds == [3.0, 6.0]  # one diverged seed takes only its own time away
    only_diverged = summarise(line, cells[2:], [0, 1])
    assert [outcome.seed for outcome in only_diverged.diverged] == [0, 1]


def test_outcomes_of_a_summary_are_those_on_the_disk(tmp_path: Path) -> None:
    study = experiment(tmp_path, "baseline")
    run(tmp_path, [study], [3, 4])
    found = summarise(Line("digits", "logistic", "baseline", candidates_of("baseline", 0.01)), [study], [4, 3])
    assert found.outcomes == [read_outcome(study, 4), read_outcome(study, 3)]


errors = st.floats(0.001, 1.0)


@given(st.lists(st.tuples(errors, errors), min_size=2, max_size=3))
def test_paired_is_students_t_in_closed_form(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = ({seed: float(pair[i]) for seed, pair in enumerate(pairs)} for i in (0, 1))
    found = paired(ours, theirs)
    differences = [a - b for a, b in pairs]
    assert found.n == len(pairs)
    assert found.mean == pytest.approx(sum(differences) / len(pairs), abs=1e-12)
    if math.isclose(max(differences), min(differences), rel_tol=1e-6, abs_tol=1e-9):
        return
    t = found.mean / (found.std / math.sqrt(found.n))
    assert found.t == pytest.approx(t, rel=1e-6)
    # with one degree of freedom Student's distribution is Cauchy's; with two its integral is algebraic
    p = 1 - 2 / math.pi * math.atan(abs(t)) if found.n == 2 else 1 - abs(t) / math.sqrt(2 + t * t)
    assert found.p == pytest.approx(p, rel=1e-4, abs=1e-9)
    back = paired(theirs, ours)
    assert (back.mean, back.t, back.p) == pytest.approx((-found.mean, -found.t, found.p))


def test_the_table_of_a_textbook() -> None:
    """Student's own example of 1908: hours of sleep gained by ten patients under two drugs."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired(dict(enumerate(first)), dict(enumerate(second)))
    assert (found.n, found.mean, found.std) == (10, pytest.approx(-1.58), pytest.approx(1.229995, abs=1e-6))
    assert (found.t, found.p) == (pytest.approx(-4.0621, abs=1e-4), pytest.approx(0.002833, abs=1e-6))


def test_where_there_is_no_test() -> None:
    assert paired({0: 0.2, 3: 1.0}, {0: 0.1, 4: 1.0}) == Paired(1, pytest.approx(0.1), None, None, None)
    assert paired({0: 0.2}, {1: 0.1}) is None
    assert paired({0: math.nan, 1: 0.1}, {0: 0.1, 1: 0.1}) is None
    same = paired({0: 13 / 360, 1: 14 / 360, 2: 0.5}, {0: 10 / 360, 1: 11 / 360, 2: 0.5 - 3 / 360})
    assert (same.mean, same.t, same.p) == (pytest.approx(3 / 360), None, None)


def test_off_and_ratio() -> None:
    assert deviations_off(0.0717, Spread(0.0697, 0.0010)) == pytest.approx(2.0)
    assert deviations_off(0.5, Spread(0.0441, 0.0)) is None
    assert deviations_off(0.5, Spread(0.6, None)) is None
    assert deviations_off(0.5, None) is None
    assert deviations_off(math.nan, Spread(0.1, 0.1)) is None
    assert ratio([6.0, 10.0], [2.0]) == 4.0
    assert ratio([math.nan], [2.0]) is None
    assert ratio([1.0], []) is None


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout_has_its_commit_and_says_when_it_was_changed(tmp_path: Path) -> None:
    package = tmp_path / "lfl"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git(tmp_path, "init", "-q")
    assert result._commit_of_checkout(package) is None  # a repository that does not hold it as its own
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    found = result._commit_of_checkout(package)
    assert found is not None
    assert len(found) >= 7
    assert head.startswith(found)
    (package / "__init__.py").write_text("changed")
    assert result._commit_of_checkout(package) == f"{found}-dirty"


def test_an_installation_has_the_commit_that_it_was_installed_from(monkeypatch) -> None:
    class Installed(Distribution):
        origin: str | None = None

        def read_text(self, filename: str) -> str | None:
            return self.origin if filename == "direct_url.json" else None

        def locate_file(self, path):
            raise NotImplementedError

    found = Installed()
    monkeypatch.setattr(result, "distribution", lambda name: found)
    assert result._commit_of_installation() is None
    found.origin = json.dumps({"url": "https://example.org/lfl", "vcs_info": {"vcs": "git", "commit_id": "0123456789"}})
    assert result._commit_of_installation() == "0123456"
    found.origin = json.dumps({"url": "file:///lfl", "dir_info": {}})
    assert result._commit_of_installation() is None


def test_there_is_always_something(monkeypatch, tmp_path: Path) -> None:
    assert result.source()
    monkeypatch.setattr(result, "PACKAGE", tmp_path)
    monkeypatch.setattr(result, "_commit_of_installation", lambda: None)
    assert result.source.__wrapped__() == VERSION
