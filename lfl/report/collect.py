"""Reads run folders and groups their runs: by task and model, then by settings, so that only the seed differs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import to_builtins

from ..catalogue import METHODS
from ..errors import UserError
from ..loss import HANDCRAFTED
from ..run.folder import check_plain
from ..run.history import Curves, read_curves
from ..run.schema import check_trained, read_ended, read_known, read_lines
from ..settings import BEFORE
from ..training import Settings
from ..types import Kind

IDENTIFYING = ("task", "model", "method")
"""Settings that every run has and that headings name, so that labels and tables leave them out."""

_NOT_COMPARED = {"seed", "checkpoint_every", "log"}
"""Settings in which runs of the same group may differ."""

_NOT_SHOWN = {"seed", "seeds", "data_dir", "data"}
"""Entries of config.json that no table shows: how many seeds ran together, where the data lay, and their digest."""

_MAX_IN_LABEL = 3
"""Settings that a label names; more than these would not fit beside a curve."""


class RunLog(NamedTuple):
    """What a run folder holds without its data and its tensors, of a finished run or of one that still trains.

    Args:
        folder: the run folder.
        config: settings and facts, as in `config.json`.
        metrics: the lines of `metrics.jsonl`.
        result: `result.json`; empty while the run trains.
        curves: the learned loss; None where none was learned, or none is written yet.
        seconds: of training, by the last line of `timing.jsonl`; None where there is none.
    """

    folder: Path
    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    result: dict[str, Any]
    curves: Curves | None
    seconds: float | None

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the run beside its data and its seed, as far as its version recorded them."""
        names = [field.name for field in fields(Settings) if field.name not in _NOT_COMPARED]
        known = BEFORE | self.config
        return {name: known[name] for name in names if name in known}

    @property
    def facts(self) -> dict[str, Any]:
        """The other entries of `config.json`: device, threads, versions."""
        facts = {name: value for name, value in self.config.items() if name not in self.settings.keys() | _NOT_SHOWN}
        versions = facts.pop("versions", {})
        return facts | (versions if isinstance(versions, dict) else {})

    @property
    def completed(self) -> bool:
        """Whether training reached its last step."""
        return bool(self.result.get("completed"))

    @property
    def kind(self) -> Kind | None:
        """Whether the targets are classes or real values; None where the folder does not record it."""
        kinds: tuple[Kind, ...] = ("multilabel", "classification", "regression")
        recorded = (self.result.get("kind"), self.config.get("kind"))
        for kind in kinds:
            if kind in recorded:
                return kind
        for kind in kinds[1:]:
            if self.config.get("loss") in HANDCRAFTED[kind]:
                return kind
        return None if self.curves is None else self.curves.kind

    def over_steps(self, name: str) -> dict[int, float]:
        """Returns a metric of `metrics.jsonl` by training step, for the steps at which it was measured."""
        return {line["step"]: line[name] for line in self.metrics if line["phase"] == "train" and name in line}


class Group(NamedTuple):
    """Runs that differ only in their seed.

    Args:
        label: the method, and the settings in which it differs from other groups of that method.
        settings: those of all its runs, without the seed.
        runs: sorted by seed, each once.
    """

    label: str
    settings: dict[str, Any]
    runs: list[RunLog]

    @property
    def counted(self) -> list[RunLog]:
        """The runs that curves average: the completed ones, or all where none is completed."""
        return [run for run in self.runs if run.completed] or self.runs


class Comparison(NamedTuple):
    """Groups of one task and model.

    Args:
        task, model: as in the settings.
        groups: sorted by method, in the order of `lfl list`.
    """

    task: str
    model: str
    groups: list[Group]

    @property
    def title(self) -> str:
        """A heading: task and model; for a task from a file, the file's name."""
        return f"{Path(self.task).name}, {self.model}"

    @property
    def kind(self) -> Kind | None:
        """Whether the targets are classes or real values; None where no run records it."""
        return next((run.kind for group in self.groups for run in group.runs if run.kind), None)

    @property
    def error(self) -> str:
        """The name of the error: `"error"` (a rate from 0 to 1), or `"mean squared error"`."""
        return "mean squared error" if self.kind == "regression" else "error"


def collect_runs(folders: Sequence[Path]) -> tuple[list[Comparison], list[tuple[Path, Path]]]:
    """Reads runs and groups them.

    Args:
        folders: run folders, or folders that hold `seed-S` run folders; of the latter, runs that have no metrics yet
            are left out as long as another has some.

    Returns:
        Comparisons, in the order of their first run; and, where two folders have the same settings and seed, pairs of
        the folder that was left out and the one that was kept. A completed run is preferred to another.

    Raises:
        UserError: a path is not a run folder, or a file in it is damaged.
    """
    found: dict[str, RunLog] = {}
    repeats: list[tuple[Path, Path]] = []
    for folder in {path.resolve(): path for given in folders for path in _run_folders(given)}.values():
        run = read_run(folder)
        same = _key(run.settings | {"seed": run.seed})
        if same in found:
            kept, left = (run, found[same]) if run.completed > found[same].completed else (found[same], run)
            repeats.append((left.folder, kept.folder))
            run = kept
        found[same] = run
    rows: dict[tuple[str, str], list[RunLog]] = {}
    for run in found.values():
        rows.setdefault((run.config["task"], run.config["model"]), []).append(run)
    return [Comparison(task, model, _groups(runs)) for (task, model), runs in rows.items()], repeats


def read_run(folder: Path) -> RunLog:
    """Reads a run folder for figures and pages. Runs no code of the run, and reads nothing outside its folder.

    Raises:
        UserError: it is not a run folder, a file in it is damaged, or it has no metrics yet.
    """
    check_plain(folder)
    path = folder / "config.json"
    config = read_known(path)
    missing = [name for name in (*IDENTIFYING, "seed") if name not in config]
    if missing:
        raise UserError(f"{path} does not belong to a run: {missing[0]} is missing; name another folder.")
    timing = read_lines(folder / "timing.jsonl") if (folder / "timing.jsonl").is_file() else []
    if not _has_metrics(folder):
        raise UserError(f"{folder} has no metrics yet; wait until the run has made some steps, or leave it out.")
    ended = read_ended(folder)
    return RunLog(
        folder,
        config,
        metrics=read_lines(folder / "metrics.jsonl"),
        result={} if ended is None else to_builtins(ended),
        curves=read_curves(folder),
        seconds=timing[-1].get("seconds") if timing else None,
    )


def labels_of(comparisons: Sequence[Comparison]) -> list[str]:
    """Returns all labels, each once. A label's position decides its colour, the same in every figure."""
    return list(dict.fromkeys(group.label for comparison in comparisons for group in comparison.groups))


def setting_text(value: Any) -> str:
    """Returns the value of a setting as text for labels and tables.

    Example:
        >>> setting_text(True), setting_text(None), setting_text(0.1)
        ('yes', 'none', '0.1')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _has_metrics(folder: Path) -> bool:
    path = folder / "metrics.jsonl"
    return path.is_file() and path.stat().st_size > 0


def _run_folders(given: Path) -> Iterator[Path]:
    if not given.is_dir():
        reason = "it is a file" if given.exists() else "there is no such folder"
        raise UserError(f"{given} is not a run folder: {reason}; name a folder made by lfl train.")
    check_plain(given)
    check_trained(given)
    seeds = sorted(path for path in given.glob("seed-*") if (path / "config.json").is_file())
    if seeds:
        yield from filter(_has_metrics, seeds) if any(map(_has_metrics, seeds)) else seeds
    elif (given / "config.json").is_file():
        yield given
    else:
        raise UserError(
            f"{given} is not a run folder: it holds no config.json and no seed-S; name a folder made by lfl train."
        )


def _groups(runs: list[RunLog]) -> list[Group]:
    """Groups the runs of one task and model by their settings, and labels the groups."""
    alike: dict[str, list[RunLog]] = {}
    for run in runs:
        alike.setdefault(_key(run.settings), []).append(run)
    kinds = sorted((sorted(each, key=lambda run: run.seed) for each in alike.values()), key=_order)
    groups: list[Group] = []
    for each in kinds:
        settings = each[0].settings
        same_method = [other[0].settings for other in kinds if other[0].settings["method"] == settings["method"]]
        names = [name for name in settings if _differs(name, same_method) and name not in IDENTIFYING]
        words = [f"{name}={setting_text(settings[name])}" for name in names[:_MAX_IN_LABEL]]
        label = ", ".join([settings["method"], *words])
        times = sum(group.label == label or group.label.startswith(f"{label} (") for group in groups)
        groups.append(Group(f"{label} ({times + 1})" if times else label, settings, each))
    return groups


def _differs(name: str, several: list[dict[str, Any]]) -> bool:
    """Whether all settings record a name, with more than one value."""
    recorded = all(name in settings for settings in several)
    return recorded and len({_key(settings[name]) for settings in several}) > 1


def _order(runs: list[RunLog]) -> tuple[Any, ...]:
    """Sort key: by method, then by the values of the settings; numbers by size, other values by their text."""
    settings = runs[0].settings
    values = [(0.0, _key(v)) if not isinstance(v, (int, float)) else (float(v), "") for v in settings.values()]
    return (list(METHODS).index(settings["method"]), values)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
