"""Mean and deviation over seeds, against Python's own and against numbers worked out by hand."""

import math
import statistics
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.report import collect_runs
from lfl.report.collect import Group
from lfl.report.statistics import Spread, difference_to_baseline, final_errors, over_steps, spread, spread_words

from .folders import write_run


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_spread(values: list[float]) -> None:
    found = spread(values)
    mean = sum(values) / len(values)
    assert found.mean == pytest.approx(mean, abs=1e-12)
    if len(values) == 1:
        assert found.std is None
    else:
        squares = sum((value - mean) ** 2 for value in values)
        assert found.std == pytest.approx(math.sqrt(squares / (len(values) - 1)), abs=1e-9)


def test_a_seed_that_diverged_is_not_averaged_away() -> None:
    found = spread([0.1, math.nan])
    assert math.isnan(found.mean)
    assert spread_words(found) == "diverged"


@pytest.mark.parametrize("values", [[math.inf], [0.1, math.inf], [-math.inf, 0.1], [math.inf, -math.inf]])
def test_an_infinite_error_is_one_that_diverged(values: list[float]) -> None:
    assert not math.isfinite(spread(values).mean)
    assert spread_words(spread(values)) == spread_words(spread(values), signed=True) == "diverged"


def test_in_words() -> None:
    assert spread_words(Spread(0.01234, 0.00044)) == "0.0123 ± 0.0004"
    assert spread_words(Spread(0.01234, None), signed=True) == "+0.0123"
    assert spread_words(Spread(-0.5, 0.25), 2, signed=True) == "-0.50 ± 0.25"


ERRORS = st.floats(0.0, 1.0)


def groups(folder: Path) -> list[Group]:
    return collect_runs(sorted(folder.iterdir()))[0][0].groups


@settings(max_examples=15, deadline=None)
@given(
    own=st.dictionaries(st.integers(0, 5), ERRORS, min_size=1),
    theirs=st.dictionaries(st.integers(0, 5), ERRORS, min_size=1),
)
def test_differences_are_taken_seed_by_seed(own: dict[int, float], theirs: dict[int, float]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for method, errors in (("adalfl", own), ("baseline", theirs)):
            for seed, error in errors.items():
                write_run(Path(name) / f"{method}-{seed}", method=method, seed=seed, test_error=error)
        baseline, adalfl = groups(Path(name))
    assert final_errors(adalfl) == own
    assert difference_to_baseline(baseline, [baseline, adalfl]) is None
    found = difference_to_baseline(adalfl, [baseline, adalfl])
    shared = own.keys() & theirs.keys()
    if not shared:
        assert found is None
    else:
        assert found[0] is baseline
        differences = [own[s] - theirs[s] for s in shared]
        assert found[1].mean == pytest.approx(statistics.fmean(differences), abs=1e-12)
        assert (found[1].std is None) == (len(shared) == 1)


def test_of_several_baselines_the_most_alike_counts(tmp_path: Path) -> None:
    write_run(tmp_path / "0", method="baseline", steps=50, batch_size=7, test_error=0.9)
    write_run(tmp_path / "1", method="baseline", steps=60, test_error=0.3)
    write_run(tmp_path / "2", method="ml3", steps=60, test_error=0.1)
    found = difference_to_baseline(groups(tmp_path)[2], groups(tmp_path))
    assert found[0].settings["steps"] == 60
    assert found[1].mean == pytest.approx(-0.2)


def test_interrupted_and_running_seeds_have_no_final_error(tmp_path: Path) -> None:
    write_run(tmp_path / "0", seed=0, completed=False)
    write_run(tmp_path / "1", seed=1, test_error=None)
    write_run(tmp_path / "2", seed=2, test_error=0.25)
    assert final_errors(groups(tmp_path)[0]) == {2: 0.25}


def test_over_steps_goes_as_far_as_all_seeds(tmp_path: Path) -> None:
    write_run(tmp_path / "0", seed=0, valid=[0.4, 0.2, 0.1])
    write_run(tmp_path / "1", seed=1, valid=[0.6, 0.4])
    found = over_steps(groups(tmp_path)[0], "valid_error")
    assert found.step.tolist() == [10, 20]
    assert found.mean.tolist() == pytest.approx([0.5, 0.3])
    assert (found.low.tolist(), found.high.tolist(), found.num_seeds) == ([0.4, 0.2], [0.6, 0.4], 2)
    assert over_steps(groups(tmp_path)[0], "inner_lr") is None


def test_what_is_not_a_number_stays_a_gap(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "0", valid=[0.4, math.nan, 0.1])
    assert "NaN" in (folder / "metrics.jsonl").read_text()
    found = over_steps(groups(tmp_path)[0], "effective_lr")
    assert [math.isnan(value) for value in found.mean] == [False, True, False]
