"""Declares the files of a run folder: their content has these types, or is refused."""

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from msgspec import Meta, Struct, field

from ..boundary import Count, Positive, converted, parse_json, read_bytes, read_json
from ..errors import UserError
from ..old_names import renamed
from ..setting import check_text
from ..settings import BEFORE, TYPES, Settings, check_setting
from ..types import Kind
from ..version import VERSION

MOST_THREADS, MOST_SEEDS = 4096, 10_000

Threads = Annotated[int, Meta(ge=1, le=MOST_THREADS)]
Phase = Literal["init", "train"]


class Facts(Struct, frozen=True):
    """The facts of `config.json` beside the settings; older versions wrote fewer."""

    device: str = "cpu"
    device_name: str | None = None
    threads: Threads | None = None
    versions: dict[str, str] = field(default_factory=dict)
    data_dir: str | None = None
    data: str | None = None
    """Digest of the task's rows."""

    compiled: bool | None = None
    together: bool = False
    seeds: Annotated[list[Count], Meta(min_length=1, max_length=MOST_SEEDS)] | None = None
    """Seeds, in the folder of several runs."""


class StepErrors(Struct, frozen=True):
    """Errors of the model after a step."""

    step: Count
    valid_error: float
    test_error: float


class Ended(Struct, frozen=True, kw_only=True):
    """The content of `result.json`; older versions wrote less."""

    kind: Kind | None = None
    phase: Phase
    step: Count
    completed: bool
    valid_error: float
    test_error: float
    """Errors of the model that the run has saved."""

    valid: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    """Metrics of that model, as in `lfl.training.metrics_of`."""

    last: StepErrors | None = None
    best: StepErrors | None = None
    """The model after the last step, and at the best step; None where the run ended before its first evaluation."""


class Clock(Struct, frozen=True):
    """The number of a line of `timing.jsonl`."""

    seconds: Annotated[float, Meta(ge=0.0, le=1e12)]


class Line(Struct, frozen=True):
    """The place of a line of `metrics.jsonl` or `timing.jsonl`."""

    phase: Phase
    step: Count


class Place(Struct, frozen=True):
    """How far the files of a run were written at a checkpoint."""

    metrics: Count
    timing: Count
    seconds: Annotated[float, Meta(ge=0.0, le=1e12)]


class Left(Struct, frozen=True):
    """The content of a checkpoint beside its tensors: where training was."""

    phase: str
    step: Count
    done: Count
    records: list[Place]


class Origin(Struct, frozen=True):
    """In a run of a study: the commit of the source, and how many seeds trained as one program."""

    commit: str = ""
    seeds: Positive = 1


class Divergence(Struct, frozen=True):
    """The file that a study writes in place of a run for a seed that diverged."""

    settings: dict[str, Any]
    reason: str
    commit: str


def read_settings(folder: Path) -> Settings:
    """Reads the settings of a run.

    Raises:
        UserError: there is no run, or its `config.json` is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a run folder: there is no such folder; name one that lfl train made.")
    path = folder / "config.json"
    check_trained(folder)
    check_not_few_shot(folder)
    config = BEFORE | renamed(read_json(path, dict[str, Any]))
    missing = sorted(TYPES.keys() - config.keys())
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}; it is not the whole config.json of a run.")
    try:
        return Settings(**{name: config[name] for name in TYPES})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def check_trained(folder: Path) -> None:
    """Refuses the folder of a search for losses whose training on what it found has not begun.

    Raises:
        UserError: it is one.
    """
    if (folder / "evolution.json").is_file() and not (folder / "config.json").is_file():
        raise UserError(
            f"{folder} is a search for a loss that has not trained a model yet; finish it with lfl resume {folder}, or "
            f"see what it found so far in {folder / 'front.csv'}."
        )


def check_not_few_shot(folder: Path) -> None:
    """Refuses the folder of a few-shot run where another is needed.

    Raises:
        UserError: it is one.
    """
    if (folder / "episodes.json").is_file():
        raise UserError(
            f"{folder} is a few-shot run; lfl eval, predict, report and resume take it, and lfl.load_run; "
            "lfl.fewshot.resume_few_shot continues it from Python."
        )


def read_known(path: Path) -> dict[str, Any]:
    """Reads a `config.json` by name, also of an older version that lacks settings, which are filled in.

    Raises:
        UserError: it cannot be read, or a setting or fact has another type.
    """
    check_trained(path.parent)
    check_not_few_shot(path.parent)
    config = BEFORE | renamed(read_json(path, dict[str, Any]))
    converted(config, Facts, str(path))
    for name in TYPES.keys() & config.keys():
        try:
            check_setting(name, config[name])
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    return config


def read_facts(folder: Path) -> Facts:
    """Reads the facts of `config.json` beside the settings."""
    path = folder / "config.json"
    check_trained(folder)
    facts = read_json(path, Facts)
    if facts.data_dir is not None:
        check_text("data_dir", facts.data_dir)
    if facts.seeds is not None and len(set(facts.seeds)) < len(facts.seeds):
        raise UserError(f"{path} names a seed twice; the run cannot be used.")
    return facts


def read_ended(folder: Path) -> Ended | None:
    """Reads how a run ended or was interrupted; None before that."""
    path = folder / "result.json"
    return read_json(path, Ended) if path.exists() or path.is_symlink() else None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of `metrics.jsonl` or `timing.jsonl`: each has a phase, a step and numbers.

    Raises:
        UserError: the file cannot be read, or a line is different; it names the line.
    """
    lines = []
    for number, text in enumerate(read_bytes(path).splitlines(), 1):
        where = f"{path}, line {number},"
        try:
            line = parse_json(text, where)
        except UserError as error:
            raise UserError(f"{where} is not JSON; remove the line, or leave the run out.") from error
        try:
            place = converted(line, Line, where)
            numbers = converted({k: v for k, v in line.items() if k not in ("phase", "step")}, dict[str, float], where)
        except UserError as error:
            raise UserError(
                f"{where} is not a phase, a step and numbers; remove the line, or leave the run out."
            ) from error
        lines.append({"phase": place.phase, "step": place.step} | numbers)
    return lines


def last_seconds(folder: Path) -> float:
    """Reads the seconds at the end of `timing.jsonl`.

    Raises:
        UserError: it has no line, or its last is damaged.
    """
    path = folder / "timing.jsonl"
    lines = read_bytes(path).splitlines()
    if not lines:
        raise UserError(f"{path} is empty; the run cannot be used.")
    return converted(parse_json(lines[-1], str(path)), Clock, str(path)).seconds


def environment(device: torch.device) -> dict[str, Any]:
    """Returns device, threads and versions, for `config.json`."""
    on_gpu = device.type == "cuda"
    return {
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "versions": {
            "lfl": VERSION,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def say_changes(facts: Facts, device: torch.device, say: Callable[[str], None]) -> None:
    """Says what has changed since a run began: device, threads, versions."""
    for name, now in environment(device).items():
        was = getattr(facts, name)
        if now != was:
            say(f"{name} was {was} and is {now}: numbers may differ in their last digits.")
