"""Mean and deviation against their definition, and in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfl.report.spread import Spread, spread, spread_words


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


def test_in_words() -> None:
    assert spread_words(Spread(0.01234, 0.00044)) == "0.0123 ± 0.0004"
    assert spread_words(Spread(0.01234, None), signed=True) == "+0.0123"
    assert spread_words(Spread(-0.5, 0.25), 2, signed=True) == "-0.50 ± 0.25"
