"""A line of a results table: what was found, beside the paper's figure and the baselines."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..report.published import table_2
from ..report.statistics import Spread, spread
from .line import TUNED
from .statistics import Paired, deviations_off, ratio
from .summary import Summary

BASELINE = "baseline"
HOUR = 3600.0


class Entry(NamedTuple):
    """What is shown of a line.

    Args:
        key: task, model and label.
        seeds: how many.
        found: test error; in Table 2 hours of a run.
        published: the paper's figure.
        off: `found` above the paper's, in the paper's standard deviations.
        less_baseline, less_tuned: test error less that of `baseline` and `baseline-tuned`, by seed.
        time_ratio, published_ratio: time over the baseline's, and the same in the paper's Table 2.
        commit: of the source.
        note: what else is to be said.
    """

    key: tuple[str, str, str]
    seeds: int
    found: Spread
    published: Spread | None
    off: float | None
    less_baseline: Paired | None
    less_tuned: Paired | None
    time_ratio: float | None
    published_ratio: float | None
    commit: str
    note: str


def entries(summaries: Sequence[Summary], baselines: Mapping[str, Summary], *, hours: bool) -> list[Entry]:
    """The entries of a table.

    Args:
        summaries: its lines.
        baselines: the summary of the baseline of each row, by TASK/MODEL, where there is one.
        hours: whether it is a table of hours, Table 2, rather than of errors.
    """
    tuned = {summary.cell.row: summary for summary in summaries if summary.line.label == TUNED}
    return [
        _entry(summary, baselines.get(summary.cell.row), tuned.get(summary.cell.row), hours) for summary in summaries
    ]


def _entry(summary: Summary, baseline: Summary | None, tuned: Summary | None, hours: bool) -> Entry:
    line = summary.line
    found = _hours(summary) if hours else summary.error
    paper = table_2(line.task, line.model)
    their_ratio = paper[line.label] / paper[BASELINE] if line.label in paper else None
    return Entry(
        key=line.key,
        seeds=len(summary.outcomes),
        found=found,
        published=line.published,
        off=deviations_off(found.mean, line.published),
        less_baseline=None if line.label == BASELINE else summary.less(baseline),
        less_tuned=None if line.label in (BASELINE, TUNED) else summary.less(tuned),
        time_ratio=None if baseline is None else ratio(summary.seconds, baseline.seconds),
        published_ratio=their_ratio,
        commit=summary.commit,
        note=_note(summary),
    )


def _hours(summary: Summary) -> Spread:
    """Of a run; NaN where none came to its end."""
    return spread([seconds / HOUR for seconds in summary.seconds] or [math.nan])


def _note(summary: Summary) -> str:
    words = []
    if summary.line.label == TUNED:
        words.append(f"rate {summary.cell.settings.inner_lr:g}")
    if summary.diverged:
        seeds = ", ".join(str(outcome.seed) for outcome in summary.diverged)
        words.append(f"diverged with seed {seeds}")
    return "; ".join(words)
