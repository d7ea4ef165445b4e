"""Mean and standard deviation over seeds: of final errors, of differences to the baseline, of curves over steps."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .collect import Group

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """Mean and sample standard deviation.

    Args:
        mean: NaN or infinite where a value is not finite, which is how a seed that diverged shows.
        std: None for a single value; NaN where a value is not finite.
    """

    mean: float
    std: float | None


class OverSteps(NamedTuple):
    """A metric over training steps.

    Args:
        step: `[n]`, the steps at which every seed has it.
        mean, low, high: `[n]`, the mean, the lowest and the highest of the seeds.
        num_seeds: how many seeds have it.
    """

    step: NDArray[np.int64]
    mean: Floats
    low: Floats
    high: Floats
    num_seeds: int


def spread(values: Sequence[float]) -> Spread:
    """Returns mean and sample standard deviation of at least one value.

    Example:
        >>> spread([1.0, 2.0, 3.0])
        Spread(mean=2.0, std=1.0)
    """
    if not all(math.isfinite(value) for value in values):  # these have no deviation
        return Spread(sum(values), math.nan if len(values) > 1 else None)
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def spread_words(found: Spread, places: int = 4, *, signed: bool = False) -> str:
    """Returns a spread as text: `0.0123 ± 0.0004`, the mean alone without a deviation, or `diverged`.

    A mean that is NaN or infinite is `diverged`: at least one of its seeds has no finite value.
    """
    if not math.isfinite(found.mean):
        return "diverged"
    mean = f"{found.mean:{'+' if signed else ''}.{places}f}"
    return mean if found.std is None or math.isnan(found.std) else f"{mean} ± {found.std:.{places}f}"


def final_errors(group: Group, name: str = "test_error") -> dict[int, float]:
    """Returns the error of each completed run, by seed."""
    return {run.seed: float(run.result[name]) for run in group.runs if run.completed}


def difference_to_baseline(group: Group, groups: Sequence[Group]) -> tuple[Group, Spread] | None:
    """Returns the test errors of a group minus those of the baseline with the same seeds.

    Args:
        group: of any method but `baseline`.
        groups: what it is compared with; of several baselines, the one whose settings are most alike is taken.

    Returns:
        That baseline, and the spread of the differences; None where they have no seed in common.
    """
    if group.settings["method"] == "baseline":
        return None
    own = final_errors(group)
    baselines = [g for g in groups if g.settings["method"] == "baseline" and own.keys() & final_errors(g).keys()]
    if not baselines:
        return None
    baseline = min(baselines, key=lambda other: _distance(group, other))
    theirs = final_errors(baseline)
    return baseline, spread([own[seed] - theirs[seed] for seed in own if seed in theirs])


def over_steps(group: Group, name: str) -> OverSteps | None:
    """Returns a metric of `metrics.jsonl` over the training steps that all counted seeds have.

    Returns:
        None where there is no such step.
    """
    each = [found for run in group.counted if (found := run.over_steps(name))]
    steps = sorted(set(each[0]).intersection(*each[1:])) if each else []
    if not steps:
        return None
    values = np.array([[found[step] for step in steps] for found in each], dtype=float)
    return OverSteps(np.array(steps, dtype=np.int64), values.mean(0), values.min(0), values.max(0), len(each))


def _distance(a: Group, b: Group) -> int:
    """In how many settings two groups differ."""
    return sum(a.settings.get(name) != b.settings.get(name) for name in a.settings.keys() | b.settings.keys())
