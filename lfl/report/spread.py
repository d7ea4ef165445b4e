"""Mean and standard deviation over seeds."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Mean and sample standard deviation; no deviation of one value. Both NaN where a seed diverged."""

    mean: float
    std: float | None


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of at least one value.

    Example:
        >>> spread([1.0, 2.0, 3.0])
        Spread(mean=2.0, std=1.0)
    """
    if not all(math.isfinite(value) for value in values):  # these have no deviation
        return Spread(sum(values), math.nan if len(values) > 1 else None)
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def spread_words(found: Spread, places: int = 4, *, signed: bool = False) -> str:
    """`0.0123 ± 0.0004`, the mean alone where there is no deviation, or `diverged`."""
    if math.isnan(found.mean):
        return "diverged"
    mean = f"{found.mean:{'+' if signed else ''}.{places}f}"
    return mean if found.std is None or math.isnan(found.std) else f"{mean} ± {found.std:.{places}f}"
