"""The tables of the report: results, settings, runs, and the paper's results."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..task import DEFAULTS
from ..training.metrics import WORDS
from .collect import IDENTIFYING, Comparison, Group, RunLog, setting_text
from .published import ablation, table_1, table_2
from .statistics import Spread, difference_to_baseline, final_errors, spread, spread_words

_ABSENT = "not recorded"


class Table(NamedTuple):
    """A table whose cells are text.

    Args:
        head: the names of the columns.
        rows: each as long as `head`; the first cell names its row.
    """

    head: list[str]
    rows: list[list[str]]


def result_table(comparison: Comparison) -> Table:
    """Returns the test error of each group, its difference to the baseline seed by seed, and the paper's test error."""
    paper = table_1(comparison.task, comparison.model)
    num_baselines = sum(group.settings["method"] == "baseline" for group in comparison.groups)
    places = _places(comparison)
    rows = []
    for group in comparison.groups:
        errors = list(final_errors(group).values())
        difference = difference_to_baseline(group, comparison.groups)
        published = paper.get(group.settings["method"])
        done, all_runs = sum(run.completed for run in group.runs), len(group.runs)
        which = f" to {difference[0].label}" if difference is not None and num_baselines > 1 else ""
        rows.append(
            [
                group.label,
                _text(spread(errors), places) if errors else "no finished run",
                _text(difference[1], places, signed=True) + which if difference else "",
                str(all_runs) if done == all_runs else f"{done} of {all_runs} finished",
                _text(published, places) if published else "",
            ]
        )
    error = f"test {comparison.error}"
    table = Table(["method", error, "difference to the baseline, by seed", "seeds", "the paper's"], rows)
    return _without_empty_columns(table)


def metric_table(comparison: Comparison) -> Table:
    """Returns the other metrics of the test split, for each group; no rows where no run has recorded any."""
    recorded = {group.label: [run.result["test"] for run in group.runs if run.completed] for group in comparison.groups}
    names = [name for name in WORDS if any(name in each for tests in recorded.values() for each in tests)]
    rows = []
    for label, tests in recorded.items():
        columns = [[each[name] for each in tests if name in each] for name in names]
        if any(columns):
            rows.append([label, *(_text(spread(column), 4) if column else _ABSENT for column in columns)])
    return Table(["method", *(WORDS[name] for name in names)], rows)


def paper_table(comparison: Comparison) -> Table:
    """Returns the paper's errors (Table 1) and times (Table 2) for a task and a model; no rows where it has none."""
    hours = table_2(comparison.task, comparison.model)
    found = table_1(comparison.task, comparison.model)
    rows = [
        [method, _text(each, 4), f"{hours[method]:g}", f"{hours[method] / hours['baseline']:.1f}"]
        for method, each in found.items()
    ]
    return Table(["method", "test error", "hours", "times the baseline's"], rows)


def ablation_table(comparison: Comparison) -> Table:
    """Returns the paper's variants for a task and a model (Tables 3 to 7); no rows where it has none."""
    rows = [
        [variant, _text(found, 4) if found else "diverged", f"Table {number}"]
        for number in range(3, 8)
        for variant, found in ablation(number, comparison.task, comparison.model).items()
    ]
    return Table(["variant", "test error", "source"], rows)


def training_length(comparison: Comparison) -> str:
    """Returns a sentence on how many steps the runs train for, and the paper's, where it has the task."""
    by_length: dict[str, list[str]] = {}
    for group in comparison.groups:
        by_length.setdefault(_length(group), []).append(group.label)
    several = len(by_length) > 1
    named = [f"{', '.join(labels)} for {steps}" if several else f"for {steps}" for steps, labels in by_length.items()]
    text = f"Trained{':' if several else ''} {'; '.join(named)}."
    if not table_1(comparison.task, comparison.model):
        return text
    paper = DEFAULTS[comparison.task]
    return f"{text} The paper trains for {_steps(paper.steps, paper.offline_steps)}, with ten seeds."


def _length(group: Group) -> str:
    offline = 0 if group.settings["method"] in ("baseline", "fixed") else group.settings.get("offline_steps", 0)
    return _steps(group.settings.get("steps", 0), offline)


def _steps(steps: int, offline: int) -> str:
    return f"{steps:,} steps" + (f" after {offline:,} offline" if offline else "")


def setting_tables(comparison: Comparison) -> tuple[Table, Table]:
    """Returns the settings and facts that differ between groups, one column for each group, and those in common."""
    names = dict.fromkeys(name for group in comparison.groups for name in _settings_and_facts(group.runs[0]))
    differ, common = [], []
    for name in names:
        if name in IDENTIFYING:
            continue
        values = [_values(name, group.runs) for group in comparison.groups]
        if len(set(values)) > 1:
            differ.append([name, *values])
        else:
            common.append([name, values[0]])
    labels = [group.label for group in comparison.groups]
    return Table(["setting", *labels], differ), Table(["setting", "value"], common)


def run_table(comparison: Comparison) -> Table:
    """Returns one row for each run: its folder, errors, time and whether it is finished."""
    places = _places(comparison)

    def row(group: Group, run: RunLog) -> list[str]:
        errors = [f"{run.result[name]:.{places}f}" if run.result else "" for name in ("test_error", "valid_error")]
        last = run.metrics[-1]
        state = "interrupted" if run.result else "unfinished"
        ended = "finished" if run.completed else f"{state} at {last['phase']} {last['step']:,}"
        return [
            str(run.folder),
            group.label,
            str(run.seed),
            *errors,
            "" if run.seconds is None else f"{run.seconds:.0f}",
            ended,
        ]

    head = ["run", "method", "seed", "test", "validation", "seconds", ""]
    return Table(head, [row(group, run) for group in comparison.groups for run in group.runs])


def _text(found: Spread, places: int, *, signed: bool = False) -> str:
    """Like `spread_words`, with a space after the sign at which a line is not broken."""
    return spread_words(found, places, signed=signed).replace("± ", "±\u00a0")


def _places(comparison: Comparison) -> int:
    """Returns how many decimal places to show: four, as in the paper, or as many as give each error two digits."""
    errors = [error for group in comparison.groups for error in final_errors(group).values() if 0 < error < math.inf]
    return max([4, *(1 - math.floor(math.log10(error)) for error in errors)])


def _settings_and_facts(run: RunLog) -> dict[str, Any]:
    return run.settings | run.facts


def _values(name: str, runs: Sequence[RunLog]) -> str:
    """Returns the values of a setting in some runs, each once."""
    known = [_settings_and_facts(run) for run in runs]
    return ", ".join(dict.fromkeys(setting_text(each[name]) if name in each else _ABSENT for each in known))


def _without_empty_columns(table: Table) -> Table:
    kept = [i for i in range(len(table.head)) if any(row[i] for row in table.rows)]
    return Table([table.head[i] for i in kept], [[row[i] for i in kept] for row in table.rows])
