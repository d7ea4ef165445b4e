"""What a run folder tells without its data: settings, metrics and how it ended."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from ..loss import HANDCRAFTED
from ..method import METHODS
from ..run import read_json
from ..training import Settings
from ..types import Kind
from .curves import Curves, read_curves

NAMED = ("task", "model", "method")
"""The settings that say what a run is."""

NUMBERS = {field.name for field in fields(Settings) if field.type in (int, float)}

NOT_OF_THE_RESULT = {"seed", "checkpoint_every", "log"}
"""Settings in which runs may differ and be seeds of the same thing."""

NOT_TOLD = {"seed", "seeds", "data_dir"}
"""What is no fact about a run: where it is one of several, and where its data lay."""


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
        return {name: self.config[name] for name in names if name in self.config}

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
    """Read a run folder for pictures and pages.

    Raises:
        UserError: it is not a run folder, a file of it is damaged, or the run has not come to its first metrics.
    """
    config = read_json(folder / "config.json")
    odd = [name for name in NAMED if not isinstance(config.get(name), str)]
    odd += [name for name in ("seed", *NUMBERS & config.keys()) if not _is_number(config.get(name))]
    if not odd and config["method"] not in METHODS:
        odd = ["method"]
    if odd:
        raise UserError(f"{folder / 'config.json'} is not a run's: {odd[0]} is missing or odd; name another folder.")
    ended = folder / "result.json"
    timing = _lines(folder / "timing.jsonl") if (folder / "timing.jsonl").is_file() else []
    if not has_begun(folder):
        raise UserError(f"{folder} has no metrics yet; wait until the run has made some steps, or leave it out.")
    return RunLog(
        folder,
        config,
        metrics=_lines(folder / "metrics.jsonl"),
        result=_result(ended) if ended.is_file() else {},
        curves=read_curves(folder),
        seconds=timing[-1].get("seconds") if timing else None,
    )


def _result(path: Path) -> dict[str, Any]:
    result = read_json(path)
    for name in ("test_error", "valid_error"):
        if not _is_number(result.get(name)):
            raise UserError(f"{path} has {name} {result.get(name)!r}, not a number; the run cannot be used.")
    return result


def _lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one a line, each with a phase, a step and numbers."""
    lines = []
    try:
        for number, text in enumerate(path.read_bytes().splitlines(), 1):
            try:
                line = json.loads(text)
            except ValueError as error:
                raise UserError(
                    f"{path}, line {number}, is not JSON; remove the line, or leave the run out."
                ) from error
            numbers = isinstance(line, dict) and [v for name, v in line.items() if name != "phase"]
            if not numbers or not {"phase", "step"} <= line.keys() or not all(map(_is_number, numbers)):
                raise UserError(
                    f"{path}, line {number}, is not a phase, a step and numbers; remove the line, or leave the run out."
                )
            lines.append(line)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); name a folder that lfl train made.") from error
    return lines


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
