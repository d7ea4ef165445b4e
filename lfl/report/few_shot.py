"""Few-shot runs in the report: errors after each step on a task, curves, and the published numbers and the floor."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..fewshot.folder import About, EpisodeErrors, FewShotEnded, read_few_shot, read_few_shot_ended
from ..fewshot_settings import FEWSHOT_SETTINGS, FewShot
from ..run.folder import check_plain
from ..run.schema import Facts, read_lines
from .collect import setting_text
from .figures import Panel
from .statistics import OverSteps
from .tables import Table

PUBLISHED = Path(__file__).parent / "paper" / "few_shot.csv"
_APART = ("seed", "checkpoint_every", "log", "compile")
_SECTION = ("task", "ways", "shots", "model")


class FewShotLog(NamedTuple):
    """A few-shot run as its files tell it.

    Args:
        folder: of the run.
        settings, facts, about: of the run.
        metrics: the lines of `metrics.jsonl`.
        ended: how it ended; None while it trains.
        seconds: of training; None where no time is recorded yet.
    """

    folder: Path
    settings: FewShot
    facts: Facts
    about: About
    metrics: list[dict[str, Any]]
    ended: FewShotEnded | None
    seconds: float | None

    @property
    def classes(self) -> bool:
        """Whether the targets are classes: errors are then shown as accuracies in percent."""
        return self.about.kind == "classification"


class Published(NamedTuple):
    """A published number: accuracy in percent, or mean squared error, after `steps` on a task where it is said."""

    method: str
    steps: str
    value: float
    interval: str
    protocol: str
    source: str

    @property
    def text(self) -> str:
        """The number as text."""
        return f"{self.value:g}{f' ± {self.interval}' if self.interval else ''}"


class FewShotGroup(NamedTuple):
    """Runs that differ only in their seed."""

    label: str
    runs: list[FewShotLog]


def read_few_shot_log(folder: Path) -> FewShotLog:
    """Reads a few-shot run for the report. Runs no code of the run, and reads nothing outside its folder.

    Raises:
        UserError: it is not the folder of one, or a file in it is damaged.
    """
    check_plain(folder)
    settings, facts, about = read_few_shot(folder)
    lines, times = (
        read_lines(path) if path.is_file() else [] for path in (folder / "metrics.jsonl", folder / "timing.jsonl")
    )
    seconds = times[-1].get("seconds") if times else None
    return FewShotLog(folder, settings, facts, about, lines, read_few_shot_ended(folder), seconds)


def published_numbers(settings: FewShot) -> list[Published]:
    """The published numbers for episodes of this source and size, of all methods."""
    with PUBLISHED.open(newline="") as file:
        return [
            Published(row["method"], row["steps"], float(row["value"]), row["interval"], row["protocol"], row["source"])
            for row in csv.DictReader(file)
            if (row["task"], row["ways"], row["shots"]) == (settings.task, str(settings.ways), str(settings.shots))
        ]


def few_shot_groups(logs: Sequence[FewShotLog]) -> list[list[FewShotGroup]]:
    """Groups runs by task, size and model, and within these by their other settings, with a label for each."""
    found: dict[str, dict[str, list[FewShotLog]]] = {}
    for log in logs:
        held = asdict(log.settings)
        section = json.dumps([held[name] for name in _SECTION])
        alike = json.dumps({name: value for name, value in held.items() if name not in _APART})
        found.setdefault(section, {}).setdefault(alike, []).append(log)
    return [_labelled(list(each.values())) for each in found.values()]


def _labelled(groups: list[list[FewShotLog]]) -> list[FewShotGroup]:
    labelled: list[FewShotGroup] = []
    for runs in groups:
        own = asdict(runs[0].settings)
        others = [asdict(each[0].settings) for each in groups if each[0].settings.method == own["method"]]
        differ = [name for name in own if name not in _APART and any(other[name] != own[name] for other in others)]
        words = [f"{name.rstrip('_')}={setting_text(own[name])}" for name in differ[:3]]
        label = ", ".join([own["method"], *words])
        times = sum(group.label == label or group.label.startswith(f"{label} (") for group in labelled)
        runs = sorted(runs, key=lambda log: log.settings.seed)
        labelled.append(FewShotGroup(f"{label} ({times + 1})" if times else label, runs))
    return labelled


def few_shot_title(settings: FewShot) -> str:
    """Task, size and model of a few-shot run."""
    size = f"{settings.shots} shots" if settings.ways == 1 else f"{settings.ways}-way {settings.shots}-shot"
    return f"{Path(settings.task).name}, {size}, {settings.model}"


def few_shot_results(groups: Sequence[FewShotGroup]) -> Table:
    """The test error of each group after the last step on a task, its protocol, the floor and the published number."""
    rows = []
    for group in groups:
        ended = [log.ended for log in group.runs if log.ended is not None]
        settings = group.runs[0].settings
        numbers = [each for each in published_numbers(settings) if each.method == settings.method]
        done = sum(each.completed for each in ended)
        seeds = str(done) if done == len(group.runs) else f"{done} of {len(group.runs)} finished"
        last = [each for each in numbers if each.steps in ("", str(settings.test_steps))]
        rows.append(
            [
                group.label,
                _over_seeds(ended) if ended else "no finished run",
                ", ".join(dict.fromkeys(_protocol(each) for each in ended)),
                seeds,
                ", ".join(dict.fromkeys(shown_error(each, each.floor) for each in ended if each.floor is not None)),
                "; ".join(f"{each.text} ({_source(each)})" for each in last),
            ]
        )
    measure = "test accuracy, %" if groups[0].runs[0].classes else "test mean squared error"
    head = ["method", measure, "protocol", "seeds", "nearest picture in pixels", "published"]
    kept = [i for i in range(len(head)) if i < 4 or any(row[i] for row in rows)]
    return Table([head[i] for i in kept], [[row[i] for i in kept] for row in rows])


def adaptation_table(groups: Sequence[FewShotGroup]) -> Table:
    """The test error of each run after each number of steps on a task, with its 95 % interval."""
    most = max((len(log.ended.test.errors) for group in groups for log in group.runs if log.ended), default=0)
    rows = []
    for group in groups:
        for log in group.runs:
            if log.ended is not None:
                cells = [measured_text(log.ended, log.ended.test, k) for k in range(len(log.ended.test.errors))]
                rows.append([f"{group.label}, seed {log.settings.seed}", *cells, *[""] * (most - len(cells))])
        for number in published_numbers(group.runs[0].settings):
            if number.method == group.runs[0].settings.method and number.steps and int(number.steps) < most:
                cells = [number.text if k == int(number.steps) else "" for k in range(most)]
                rows.append([f"published ({_source(number)})", *cells])
    return Table(["run", *(f"{k} {'step' if k == 1 else 'steps'}" for k in range(most))], rows)


def few_shot_panels(groups: Sequence[FewShotGroup]) -> list[Panel]:
    """Validation error over training, with the floor of pixels, and the published number as a line."""
    lines = {group.label: line for group in groups if (line := _over_steps(group.runs)) is not None}
    if not lines:
        return []
    first = groups[0].runs[0]
    ends = [min(int(line.step[0]) for line in lines.values()), max(int(line.step[-1]) for line in lines.values())]
    floors = [log.ended.floor for group in groups for log in group.runs if log.ended and log.ended.floor is not None]
    for number in published_numbers(first.settings):
        here = number.method in {group.runs[0].settings.method for group in groups}
        if here and number.steps in ("", str(first.settings.test_steps)):
            level = 1 - number.value / 100 if first.classes else number.value
            flat = np.full(2, level)
            lines[f"published: {number.method} ({_source(number)})"] = OverSteps(np.array(ends), flat, flat, flat, 1)
    measure = "validation error" if first.classes else "validation mean squared error"
    reference = ("nearest picture in pixels", floors[0]) if floors else None
    return [Panel(few_shot_title(first.settings), measure, lines, reference)]


def few_shot_settings(groups: Sequence[FewShotGroup]) -> tuple[Table, Table]:
    """Settings that differ between groups, and those in common."""
    differ, common = [], []
    for name, each in FEWSHOT_SETTINGS.items():
        only_for, methods = each.methods, {group.runs[0].settings.method for group in groups}
        if name in (*_SECTION, "seed") or (only_for is not None and not methods & set(only_for)):
            continue
        values = [setting_text(getattr(group.runs[0].settings, name)) for group in groups]
        shown = name.rstrip("_")
        if len(set(values)) > 1:
            differ.append([shown, *values])
        else:
            common.append([shown, values[0]])
    return Table(["setting", *(group.label for group in groups)], differ), Table(["setting", "value"], common)


def few_shot_runs(groups: Sequence[FewShotGroup]) -> Table:
    """One row for each run: folder, seed, step of what was kept, errors, time."""
    rows = []
    for group in groups:
        for log in group.runs:
            ended = log.ended
            state = "still training" if ended is None else "finished" if ended.completed else "interrupted"
            rows.append(
                [
                    str(log.folder),
                    group.label,
                    str(log.settings.seed),
                    state,
                    "" if ended is None else f"{ended.best_step:,}",
                    "" if ended is None else measured_text(ended, ended.valid, -1),
                    "" if ended is None else measured_text(ended, ended.test, -1),
                    "" if log.seconds is None else f"{log.seconds:,.0f}",
                ]
            )
    return Table(["folder", "method", "seed", "state", "step kept", "validation", "test", "seconds"], rows)


def shown_error(ended: FewShotEnded, error: float) -> str:
    """An error as it is shown: for classes the accuracy in percent."""
    return f"{100 * (1 - error):.2f}" if ended.kind == "classification" else f"{error:.4f}"


def measured_text(ended: FewShotEnded, measured: EpisodeErrors, steps: int) -> str:
    """The error after so many steps on a task, with its 95 % interval."""
    half = measured.intervals[steps]
    width = f"{100 * half:.2f}" if ended.kind == "classification" else f"{half:.4f}"
    return f"{shown_error(ended, measured.errors[steps])} ± {width}"


def _over_seeds(ended: Sequence[FewShotEnded]) -> str:
    if len(ended) == 1:
        return f"{measured_text(ended[0], ended[0].test, -1)} (95 % of {ended[0].test.tasks:,} episodes)"
    errors = [each.test_error for each in ended]
    low, high = sorted((shown_error(ended[0], min(errors)), shown_error(ended[0], max(errors))), key=float)
    return f"{shown_error(ended[0], sum(errors) / len(errors))} ({low} to {high})"


def _over_steps(runs: Sequence[FewShotLog]) -> OverSteps | None:
    found = [{line["step"]: line["valid_error"] for line in log.metrics if "valid_error" in line} for log in runs]
    found = [each for each in found if each]
    steps = sorted(set.intersection(*map(set, found))) if found else []
    if not steps:
        return None
    values = np.array([[each[step] for step in steps] for each in found])
    return OverSteps(np.array(steps), values.mean(0), values.min(0), values.max(0), len(found))


def _protocol(ended: FewShotEnded) -> str:
    return "transductive" if ended.transductive else "inductive"


def _source(number: Published) -> str:
    return f"{number.source}, {number.protocol}" if number.protocol else number.source
