"""Statistics against closed forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfl.report.statistics import Spread
from lfl.study.statistics import Paired, deviations_off, paired, ratio

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
