"""What a page says in tables: results, settings, runs, and the paper's figures."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..task import DEFAULTS
from ..training.metrics import WORDS
from .gather import Comparison, Group, shown
from .published import ablation, table_1, table_2
from .read import NAMED, RunLog
from .spread import Spread, spread, spread_words
from .statistics import final_errors, less_baseline

ABSENT = "not recorded"


class Table(NamedTuple):
    """Cells as text.

    Args:
        head: names of the columns.
        rows: each as long as `head`; the first cell names its row.
    """

    head: list[str]
    rows: list[list[str]]


def result_table(comparison: Comparison) -> Table:
    """The test error of each group with what it is compared with: the baseline seed by seed, and the paper."""
    paper = table_1(comparison.task, comparison.model)
    num_baselines = sum(group.settings["method"] == "baseline" for group in comparison.groups)
    places = _places(comparison)
    rows = []
    for group in comparison.groups:
        errors = list(final_errors(group).values())
        less = less_baseline(group, comparison.groups)
        published = paper.get(group.settings["method"])
        done, all_runs = sum(run.completed for run in group.runs), len(group.runs)
        than = f" than {less[0].label}" if less is not None and num_baselines > 1 else ""
        rows.append(
            [
                group.label,
                figure(spread(errors), places) if errors else "no run is finished",
                figure(less[1], places, signed=True) + than if less else "",
                str(all_runs) if done == all_runs else f"{done} of {all_runs} finished",
                figure(published, places) if published else "",
            ]
        )
    error = f"test {comparison.error}"
    table = Table(["method", error, "less the baseline's, by seed", "seeds", "the paper's"], rows)
    return _without_empty_columns(table)


def metric_table(comparison: Comparison) -> Table:
    """What is reported of the test split beside the error, for each group; no rows where no run tells."""
    told = {group.label: [run.result["test"] for run in group.runs if run.completed] for group in comparison.groups}
    names = [name for name in WORDS if any(name in each for tests in told.values() for each in tests)]
    rows = []
    for label, tests in told.items():
        columns = [[each[name] for each in tests if name in each] for name in names]
        if any(columns):
            rows.append([label, *(figure(spread(column), 4) if column else ABSENT for column in columns)])
    return Table(["method", *(WORDS[name] for name in names)], rows)


def paper_table(comparison: Comparison) -> Table:
    """The paper's row for a task and a model: errors (Table 1) and times (Table 2); no rows where it has none."""
    hours = table_2(comparison.task, comparison.model)
    found = table_1(comparison.task, comparison.model)
    rows = [
        [method, figure(each, 4), f"{hours[method]:g}", f"{hours[method] / hours['baseline']:.1f}"]
        for method, each in found.items()
    ]
    return Table(["method", "test error", "hours", "over the baseline's"], rows)


def ablation_table(comparison: Comparison) -> Table:
    """The paper's variants for a task and a model (Tables 3 to 7); no rows where it has none."""
    rows = [
        [variant, figure(found, 4) if found else "diverged", f"Table {number}"]
        for number in range(3, 8)
        for variant, found in ablation(number, comparison.task, comparison.model).items()
    ]
    return Table(["variant", "test error", "source"], rows)


def length(comparison: Comparison) -> str:
    """How long the runs train, and how long the paper's do where it has the task."""
    of_each: dict[str, list[str]] = {}
    for group in comparison.groups:
        of_each.setdefault(_length(group), []).append(group.label)
    several = len(of_each) > 1
    named = [f"{', '.join(labels)} for {steps}" if several else f"for {steps}" for steps, labels in of_each.items()]
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
    """Settings and facts that differ between the groups, a column a group; and those that all have in common."""
    names = dict.fromkeys(name for group in comparison.groups for name in _told(group.runs[0]))
    differ, common = [], []
    for name in names:
        if name in NAMED:
            continue
        of_each = [_values(name, group.runs) for group in comparison.groups]
        if len(set(of_each)) > 1:
            differ.append([name, *of_each])
        else:
            common.append([name, of_each[0]])
    labels = [group.label for group in comparison.groups]
    return Table(["setting", *labels], differ), Table(["setting", "value"], common)


def run_table(comparison: Comparison) -> Table:
    """Every run with its folder."""
    places = _places(comparison)

    def row(group: Group, run: RunLog) -> list[str]:
        errors = [f"{run.result[name]:.{places}f}" if run.result else "" for name in ("test_error", "valid_error")]
        last = run.metrics[-1]
        ended = (
            "finished" if run.completed else f"{'ended' if run.result else 'is'} at {last['phase']} {last['step']:,}"
        )
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


def figure(found: Spread, places: int, *, signed: bool = False) -> str:
    """Mean and deviation, such as `0.0091 ± 0.0004`, unbroken after the sign; or the mean alone."""
    return spread_words(found, places, signed=signed).replace("± ", "±\u00a0")


def _places(comparison: Comparison) -> int:
    """Four, as in the paper; more where an error has fewer than two digits then."""
    errors = [error for group in comparison.groups for error in final_errors(group).values() if 0 < error < math.inf]
    return max([4, *(1 - math.floor(math.log10(error)) for error in errors)])


def _told(run: RunLog) -> dict[str, Any]:
    return run.settings | run.facts


def _values(name: str, runs: Sequence[RunLog]) -> str:
    """The values that runs have, each once."""
    told = [_told(run) for run in runs]
    return ", ".join(dict.fromkeys(shown(each[name]) if name in each else ABSENT for each in told))


def _without_empty_columns(table: Table) -> Table:
    kept = [i for i in range(len(table.head)) if any(row[i] for row in table.rows)]
    return Table([table.head[i] for i in kept], [[row[i] for i in kept] for row in table.rows])
