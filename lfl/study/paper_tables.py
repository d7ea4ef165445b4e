"""The lines of the paper's tables, and what was measured beside the paper's figures and the baselines."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..catalogue import TASKS
from ..errors import UserError, one_of
from ..model.build import check_model_name
from ..report.published import paper_results, table_2
from ..report.statistics import Spread, spread
from ..task import DEFAULTS, Defaults, load_task
from ..task.load import is_file_task
from .experiment import TUNED, Line, candidates_of
from .result import Paired, Summary, deviations_off, ratio

BASELINE = "baseline"
HOUR = 3600.0
Row = tuple[str, str]
"""A task and a model."""


class Entry(NamedTuple):
    """What a results table says of a line.

    Args:
        key: task, model and label.
        seeds: how many.
        found: test error; in Table 2 hours of a run.
        published: the paper's figure.
        off: `found` above the paper's, in the paper's standard deviations.
        minus_baseline, minus_tuned: test error minus that of `baseline` and `baseline-tuned`, by seed.
        time_ratio, published_ratio: time over the baseline's, and the same in the paper's Table 2.
        commit: of the source.
        note: the chosen rate of `baseline-tuned`, and which seeds diverged.
    """

    key: tuple[str, str, str]
    seeds: int
    found: Spread
    published: Spread | None
    off: float | None
    minus_baseline: Paired | None
    minus_tuned: Paired | None
    time_ratio: float | None
    published_ratio: float | None
    commit: str
    note: str


def parse_row(text: str) -> Row:
    """Reads `TASK/MODEL`.

    Raises:
        UserError: not of that form, or an unknown name.

    Example:
        >>> parse_row("mnist/lenet5")
        ('mnist', 'lenet5')
    """
    task, slash, model = text.strip().rpartition("/")
    if not slash or not task or not model:
        raise UserError(f"a row is TASK/MODEL, such as mnist/lenet5, got {text!r}.")
    check_names(task, model)
    return task, model


def check_names(task: str, model: str) -> None:
    """Refuses an unknown task or model; a user's own files and functions are checked where they are loaded.

    Raises:
        UserError: an unknown name.
    """
    if not is_file_task(task):
        one_of("task", task, list(TASKS))
    if ":" not in model:
        check_model_name(model)


def table_lines(
    table: int, rows: Sequence[Row] | None, labels: Sequence[str] | None, defaults_of: Callable[[str], Defaults]
) -> list[Line]:
    """Returns the lines of a table, row by row.

    Args:
        table: 1 to 7; Table 2 has the lines of Table 1.
        rows: those chosen, which the paper need not have; the paper's when None.
        labels: methods or variants; when None those that the paper has for the row (for a row that it does not have,
            those of the table), and `baseline-tuned`.
        defaults_of: the defaults of a task.

    Raises:
        UserError: an unknown label.
    """
    known = paper_results(table)
    beside = paper_results(2 if table == 2 else 1)  # a method that is not of the table still has its figure
    every = list(dict.fromkeys(label for _, _, label in known))
    lines = []
    for row in rows or dict.fromkeys(key[:2] for key in known):
        own = [label for *place, label in known if tuple(place) == row]
        chosen = labels or [*(own or every), TUNED]
        lines += [
            Line(
                *row,
                label,
                candidates_of(label, defaults_of(row[0]).inner_lr),
                known.get((*row, label), beside.get((*row, label))),
            )
            for label in dict.fromkeys(chosen)
        ]
    return lines


def defaults_of(task: str) -> Defaults:
    """Returns the defaults of a named task, or of a user's own classes or values in a file."""
    return DEFAULTS[task] if task in DEFAULTS else load_task(task, Path()).defaults


def entries(summaries: Sequence[Summary], baselines: Mapping[str, Summary], *, hours: bool) -> list[Entry]:
    """Returns the entries of a table.

    Args:
        summaries: its lines.
        baselines: the summary of the baseline of each row, by TASK/MODEL, where there is one.
        hours: whether it is a table of hours, Table 2, rather than of errors.
    """
    tuned = {summary.experiment.row: summary for summary in summaries if summary.line.label == TUNED}
    return [
        _entry(summary, baselines.get(summary.experiment.row), tuned.get(summary.experiment.row), hours)
        for summary in summaries
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
        minus_baseline=None if line.label == BASELINE else summary.minus(baseline),
        minus_tuned=None if line.label in (BASELINE, TUNED) else summary.minus(tuned),
        time_ratio=None if baseline is None else ratio(summary.seconds, baseline.seconds),
        published_ratio=their_ratio,
        commit=summary.commit,
        note=_note(summary),
    )


def _hours(summary: Summary) -> Spread:
    """Hours of a run; NaN where every run diverged."""
    return spread([seconds / HOUR for seconds in summary.seconds] or [math.nan])


def _note(summary: Summary) -> str:
    words = []
    if summary.line.label == TUNED:
        words.append(f"rate {summary.experiment.settings.inner_lr:g}")
    if summary.diverged:
        seeds = ", ".join(str(outcome.seed) for outcome in summary.diverged)
        words.append(f"diverged with seed {seeds}")
    return "; ".join(words)
