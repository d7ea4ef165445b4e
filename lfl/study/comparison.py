"""Methods compared with the first of them on one task and model."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ..report.statistics import Spread
from ..run.folder import explained, write_bytes, write_json
from ..text import to_cell
from .statistics import Paired, ratio
from .summary import Summary

COLUMNS = [
    "task",
    "model",
    "method",
    "seeds",
    "mean",
    "std",
    "difference",
    "difference_std",
    "t",
    "p",
    "time_ratio",
    "commit",
]


class Compared(NamedTuple):
    """A method beside the first.

    Args:
        summary: of the method.
        error: test error over the seeds.
        less_first: test error less the first method's, by seed; None for the first, and where a seed diverged.
        time_ratio: time over the first method's.
    """

    summary: Summary
    error: Spread
    less_first: Paired | None
    time_ratio: float | None


def compare(summaries: Sequence[Summary]) -> list[Compared]:
    """Each method beside the first."""
    first = summaries[0]
    return [
        Compared(
            summary,
            summary.error,
            None if summary is first else summary.less(first),
            ratio(summary.seconds, first.seconds),
        )
        for summary in summaries
    ]


def write_comparison(folder: Path, compared: Sequence[Compared]) -> None:
    """Write `comparison.json`, with every seed, and `comparison.csv`, a line a method.

    Raises:
        Failure: the disk does not go along.
    """
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([COLUMNS, *map(_line, compared)])
    with explained(f"write into {folder}", "make room there"):
        write_json(folder / "comparison.json", [_whole(each) for each in compared])
        write_bytes(folder / "comparison.csv", file.getvalue().encode())


def _line(each: Compared) -> list[Any]:
    paired = each.less_first or Paired(0, math.nan, None, None, None)
    numbers = [*each.error, paired.mean, paired.std, paired.t, paired.p, each.time_ratio]
    shown = ["" if number is None or math.isnan(number) else f"{number:.6g}" for number in numbers]
    return [*map(to_cell, each.summary.line.key), len(each.summary.outcomes), *shown, each.summary.commit]


def _whole(each: Compared) -> dict[str, Any]:
    summary = each.summary
    return {
        "method": summary.line.label,
        "settings": {name: value for name, value in asdict(summary.cell.settings).items() if name != "seed"},
        "mean": _number(each.error.mean),
        "std": _number(each.error.std),
        "less_first": None if each.less_first is None else each.less_first._asdict(),
        "time_ratio": each.time_ratio,
        "commit": summary.commit,
        "seeds": [
            {
                "seed": outcome.seed,
                "test_error": _number(outcome.test_error),
                "valid_error": _number(outcome.valid_error),
                "seconds": _number(outcome.seconds),
                "diverged": outcome.diverged,
            }
            for outcome in summary.outcomes
        ],
    }


def _number(value: float | None) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if value is not None and math.isfinite(value) else None
