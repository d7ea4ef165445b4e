"""Paired differences over seeds, and what is compared with the paper."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..report.statistics import Spread, spread


class Paired(NamedTuple):
    """Differences by seed, and Student's t test of whether their mean is zero.

    Args:
        n: seeds that both have.
        mean, std: of the differences; no deviation of one.
        t, p: of the two-sided test; None for fewer than two seeds, or where all differences are the same.
    """

    n: int
    mean: float
    std: float | None
    t: float | None
    p: float | None


def paired(values: Mapping[int, float], others: Mapping[int, float]) -> Paired | None:
    """Values less others, by the seeds that both have; None where there are none, or a value is NaN."""
    seeds = sorted(values.keys() & others.keys())
    differences = [values[seed] - others[seed] for seed in seeds]
    if not differences or any(math.isnan(d) for d in differences):
        return None
    mean, std = spread(differences)
    if len(seeds) < 2 or math.isclose(max(differences), min(differences), rel_tol=1e-9, abs_tol=1e-15):
        return Paired(len(seeds), mean, std, None, None)
    from scipy.stats import ttest_rel  # a slow import

    test = ttest_rel([values[seed] for seed in seeds], [others[seed] for seed in seeds])
    return Paired(len(seeds), mean, std, float(test.statistic), float(test.pvalue))


def deviations_off(mean: float, published: Spread | None) -> float | None:
    """How far a mean lies above the paper's, in the paper's standard deviations; None where it has none."""
    if published is None or not published.std or math.isnan(mean):
        return None
    return (mean - published.mean) / published.std


def ratio(seconds: Sequence[float], others: Sequence[float]) -> float | None:
    """Mean time over mean time; None where a time is not known."""
    if not seconds or not others:
        return None
    found = statistics.fmean(seconds) / statistics.fmean(others)
    return None if math.isnan(found) else found
