"""Reads run folders and groups their runs: by task and model, then by settings, so that only the seed differs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import to_builtins

from ..errors import UserError
from ..loss import HANDCRAFTED
from ..method import METHODS
from ..run.curves import Curves, read_curves
from ..run.folder import check_plain
from ..run.schema import ADDED, read_ended, read_known, read_lines
from ..training import Settings
from ..types import Kind

NAMED = ("task", "model", "method")
"""The settings that say what a run is."""

NOT_OF_THE_RESULT = {"seed", "checkpoint_every", "log"}
"""Settings in which runs may differ and be seeds of the same thing."""

NOT_TOLD = {"seed", "seeds", "data_dir", "data"}
"""What is no fact about a run: where it is one of several, where its data lay, and their digest."""


class RunLog(NamedTuple):
    """A run as its folder shows it, finished or still training.

    Args:
        folder: the run folder.
        config: settings and facts, as in `config.json`.
        metrics: the lines of `metrics.jsonl`.
        result: `result.json`; empty while the run trains.
        curves: the learned loss; None where none was learned, or not yet written.
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
        """What determines the run beside its data and its seed, as far as its version recorded it."""
        names = [field.name for field in fields(Settings) if field.name not in NOT_OF_THE_RESULT]
        known = ADDED | self.config
        return {name: known[name] for name in names if name in known}

    @property
    def facts(self) -> dict[str, Any]:
        """What else is known of the run: device, threads, versions."""
        facts = {name: value for name, value in self.config.items() if name not in self.settings.keys() | NOT_TOLD}
        versions = facts.pop("versions", {})
        return facts | (versions if isinstance(versions, dict) else {})

    @property
    def completed(self) -> bool:
        """Whether training ran to its end."""
        return bool(self.result.get("completed"))

    @property
    def kind(self) -> Kind | None:
        """What the targets are; None where the folder does not tell."""
        kinds: tuple[Kind, ...] = ("classification", "regression")
        for kind in kinds:
            told = (self.result.get("kind"), self.config.get("kind"))
            if kind in told or self.config.get("loss") in HANDCRAFTED[kind]:
                return kind
        return None if self.curves is None else self.curves.kind

    def over_steps(self, name: str) -> dict[int, float]:
        """A number of `metrics.jsonl` by training step, where it was looked at."""
        return {line["step"]: line[name] for line in self.metrics if line["phase"] == "train" and name in line}


def has_begun(folder: Path) -> bool:
    """Whether a run has come to its first metrics."""
    path = folder / "metrics.jsonl"
    return path.is_file() and path.stat().st_size > 0


def read_run(folder: Path) -> RunLog:
    """Read a run folder for pictures and pages. No code of the run is used, and nothing outside of its folder.

    Raises:
        UserError: it is not a run folder, a file of it is damaged, or the run has not come to its first metrics.
    """
    check_plain(folder)
    path = folder / "config.json"
    config = read_known(path)
    missing = [name for name in (*NAMED, "seed") if name not in config]
    if missing:
        raise UserError(f"{path} is not a run's: {missing[0]} is missing; name another folder.")
    timing = read_lines(folder / "timing.jsonl") if (folder / "timing.jsonl").is_file() else []
    if not has_begun(folder):
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


MOST_IN_A_LABEL = 3
"""Settings that a label names; more than these would not fit beside a curve."""


class Group(NamedTuple):
    """Runs that differ in their seed alone.

    Args:
        label: the method, and the settings in which it differs from other groups of that method.
        settings: of all its runs, without the seed.
        runs: by seed, each once.
    """

    label: str
    settings: dict[str, Any]
    runs: list[RunLog]

    @property
    def counted(self) -> list[RunLog]:
        """The runs that curves are means of: those that came to their end; where none did, all."""
        return [run for run in self.runs if run.completed] or self.runs


class Comparison(NamedTuple):
    """Groups of one task and model.

    Args:
        task, model: as in the settings.
        groups: by method, in the order of `lfl list`.
    """

    task: str
    model: str
    groups: list[Group]

    @property
    def title(self) -> str:
        """What is compared, for a heading; of a user's own task the file's name."""
        return f"{Path(self.task).name}, {self.model}"

    @property
    def kind(self) -> Kind | None:
        """What the targets are; None where no run tells."""
        return next((run.kind for group in self.groups for run in group.runs if run.kind), None)

    @property
    def error(self) -> str:
        """What the errors are: `"error"` (a rate from 0 to 1), or `"mean squared error"`."""
        return "mean squared error" if self.kind == "regression" else "error"


def collect_runs(folders: Sequence[Path]) -> tuple[list[Comparison], list[tuple[Path, Path]]]:
    """Read runs and group them.

    Args:
        folders: run folders, or folders that hold `seed-S` run folders; of these the ones that have begun count.

    Returns:
        Comparisons, in the order in which their first run came; and, where two folders have the same settings and
        seed, pairs of the folder that was left out and the one that was kept, a finished run before an unfinished.

    Raises:
        UserError: no folder of a run, or a damaged one.
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


def _run_folders(given: Path) -> Iterator[Path]:
    if not given.is_dir():
        what = "it is a file" if given.exists() else "there is no such folder"
        raise UserError(f"{given} is not a run folder: {what}; name one that lfl train made.")
    check_plain(given)
    seeds = sorted(path for path in given.glob("seed-*") if (path / "config.json").is_file())
    if seeds:
        yield from filter(has_begun, seeds) if any(map(has_begun, seeds)) else seeds
    elif (given / "config.json").is_file():
        yield given
    else:
        raise UserError(f"{given} is not a run folder: it holds no config.json and no seed-S; name one of lfl train.")


def _groups(runs: list[RunLog]) -> list[Group]:
    """The runs of one task and model, by their settings."""
    alike: dict[str, list[RunLog]] = {}
    for run in runs:
        alike.setdefault(_key(run.settings), []).append(run)
    kinds = sorted((sorted(each, key=lambda run: run.seed) for each in alike.values()), key=_order)
    groups: list[Group] = []
    for each in kinds:
        settings = each[0].settings
        rivals = [other[0].settings for other in kinds if other[0].settings["method"] == settings["method"]]
        names = [name for name in settings if _differs(name, rivals) and name not in NAMED]
        words = [f"{name}={shown(settings[name])}" for name in names[:MOST_IN_A_LABEL]]
        label = ", ".join([settings["method"], *words])
        times = sum(group.label == label or group.label.startswith(f"{label} (") for group in groups)
        groups.append(Group(f"{label} ({times + 1})" if times else label, settings, each))
    return groups


def _differs(name: str, several: list[dict[str, Any]]) -> bool:
    """Whether settings that all recorded it have more than one value of it."""
    recorded = all(name in settings for settings in several)
    return recorded and len({_key(settings[name]) for settings in several}) > 1


def _order(runs: list[RunLog]) -> tuple[Any, ...]:
    """By method, then by value: numbers by size, the rest by their words."""
    settings = runs[0].settings
    values = [(0.0, _key(v)) if not isinstance(v, (int, float)) else (float(v), "") for v in settings.values()]
    return (list(METHODS).index(settings["method"]), values)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def labels_of(comparisons: Sequence[Comparison]) -> list[str]:
    """All labels, each once: a label's place is its colour in every picture."""
    return list(dict.fromkeys(group.label for comparison in comparisons for group in comparison.groups))


def shown(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
