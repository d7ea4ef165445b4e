"""What a run folder tells without its data: settings, metrics and how it ended."""

from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import to_builtins

from ..errors import UserError
from ..loss import HANDCRAFTED
from ..run.folder import check_plain
from ..run.history import Curves, read_curves
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
