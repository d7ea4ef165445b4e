"""Decides whether code and data that a run folder asks for may be used.

A folder may come from somebody else. Its settings can name a user's own model or loss, which is code, and data or
another run's loss anywhere on the disk. They are used in three cases: the user named them again in this command;
everything is trusted (`--trust`); or this user's lfl made the run in this very place, which it notes outside of the
folder.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ..catalogue import TASKS
from ..errors import UserError
from ..places import own_cache, state_folder
from ..task import WITHOUT_DATA_DIR, is_file_task, is_function_task
from ..training import Settings
from ..user_code import is_own
from .shared import shipped_losses

MADE_HERE = "made-here"
"""File in the user's state folder: a line for each run that asks for something, a digest of its place and of that."""

CODE = ("model", "loss", "base", "objective")
"""Settings that may name code, `"module:function"`."""

CODE_WORDS = "run the code of the {} {{}}"
WORDS = {name: CODE_WORDS.format(name) for name in CODE} | {
    "task": "read {}",
    "valid": "read {}",
    "data_dir": "read data in {}",
    "loss_from": "read the run {}",
    "pretrained_from": "read the run {}",
    "log": "send metrics to {}",
}


SENT = {"wandb", "mlflow"}
"""Logs that may leave the machine, under the user's own account."""


class Named(NamedTuple):
    """Code and data that the user named in this command.

    Args:
        model, loss, base, objective: `"module:function"`, the run's own.
        task: the present path of the run's own data; or the run's own `"module:function"`.
        valid: the present path of the run's own clean data.
        data_dir: the folder of the data sets.
        log: the run's logs that may be sent elsewhere.
        loss_from: the run folder whose loss the run trains on.
        trust: whether everything is allowed that the folder asks for.
        pretrained_from: the run folder whose pre-trained networks a few-shot run takes.
    """

    model: str | None = None
    loss: str | None = None
    base: str | None = None
    objective: str | None = None
    task: str | None = None
    valid: str | None = None
    data_dir: Path | None = None
    loss_from: str | None = None
    log: str | None = None
    trust: bool = False
    pretrained_from: str | None = None


def asked_for(settings: dict[str, Any], data_dir: str | None) -> dict[str, str]:
    """Returns the code and data beyond lfl itself and its own cache that settings ask for, by name."""
    asked = {name: str(settings[name]) for name in CODE if is_own(settings.get(name))}
    task = settings.get("task")
    if isinstance(task, str) and task not in TASKS and is_file_task(task):
        asked["task"] = task
    elif data_dir is not None and task not in WITHOUT_DATA_DIR and not _is_own_cache(Path(data_dir)):
        asked["data_dir"] = data_dir
    if isinstance(task, str) and is_function_task(task):
        asked["task"] = task
    if isinstance(settings.get("valid"), str):
        asked["valid"] = settings["valid"]
    if isinstance(settings.get("loss_from"), str) and settings["loss_from"] not in shipped_losses():
        asked["loss_from"] = settings["loss_from"]
    if isinstance(settings.get("pretrained_from"), str):
        asked["pretrained_from"] = settings["pretrained_from"]
    log = settings.get("log")
    if isinstance(log, str) and SENT & {part.strip() for part in log.split(",")}:
        asked["log"] = log
    return asked


def allow(where: Path, asked: dict[str, str], named: Named, uses: Collection[str] = tuple(WORDS)) -> None:
    """Refuses code and data that are asked for and neither named nor trusted.

    Args:
        where: the run folder, or the file of settings.
        asked: as `asked_for` returns it.
        named: in this command.
        uses: names of `asked` that the command uses.

    Raises:
        UserError: it names what is asked for, and the flags that allow it.
    """
    code = [*CODE, "task"] if is_function_task(asked.get("task", "")) else CODE
    for name in [*code, "log"]:
        given = getattr(named, name)
        if given is not None and name in uses and given != asked.get(name, given):
            raise UserError(f"{where} has the {name} {asked[name]}, got --{name} {given}; give the same.")
    unnamed = {name: asked[name] for name in asked if name in uses and getattr(named, name) is None}
    if not unnamed or named.trust or was_made_here(where, asked):
        return
    words = WORDS | ({"task": CODE_WORDS.format("task")} if "task" in code else {})
    wants = " and to ".join(words[name].format(value) for name, value in unnamed.items())
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in unnamed.items())
    raise UserError(
        f"{where} was not made here and asks to {wants}. If that is what you want, give {flags}, or --trust "
        "(from Python trust=True)."
    )


def note_made_here(folder: Path, settings: Settings, data_dir: str | None) -> None:
    """Notes that this user made a run that asks for something; does nothing where the home cannot be written."""
    note_asked(folder, asked_for(asdict(settings), data_dir))


def note_asked(folder: Path, asked: dict[str, str]) -> None:
    """Notes that this user made a folder that asks for something, by name, as `note_made_here` does for a run."""
    home = state_folder()
    if not asked or home is None:
        return
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        note = os.open(home / MADE_HERE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NOFOLLOW, 0o600)
        with open(note, "a") as file:
            file.write(_digest(folder, asked) + "\n")


def was_made_here(folder: Path, asked: dict[str, str]) -> bool:
    """Returns whether this user's lfl noted a run in this place that asked for exactly this."""
    home = state_folder()
    if home is None:
        return False
    try:
        with open(os.open(home / MADE_HERE, os.O_RDONLY | _NOFOLLOW)) as file:
            facts = os.fstat(file.fileno())
            ours = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
            if not stat.S_ISREG(facts.st_mode) or not ours or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return False
            return _digest(folder, asked) in file.read().split()
    except (OSError, ValueError):
        return False


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def _digest(folder: Path, asked: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([str(folder.resolve()), asked], sort_keys=True).encode()).hexdigest()


def _is_own_cache(data_dir: Path) -> bool:
    try:
        return data_dir.resolve() == own_cache().resolve()
    except UserError:
        return False
