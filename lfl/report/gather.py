"""From run folders to what can be compared: the runs of one task and model, the seeds of each way of training."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..catalogue import METHODS
from ..errors import UserError
from ..run.folder import check_plain
from ..types import Kind
from .read import NAMED, RunLog, has_begun, read_run

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


def gather(folders: Sequence[Path]) -> tuple[list[Comparison], list[tuple[Path, Path]]]:
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
