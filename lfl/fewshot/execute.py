"""Trains few-shot runs into run folders, and resumes them: all that the command line does but the printing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from ..device import resolve_device
from ..errors import UserError
from ..fewshot_settings import FewShot
from ..run.folder import check_plain
from ..run.logger import Logger
from ..run.new_folder import new_folder, writing
from ..run.schema import Facts, environment, say_changes
from ..run.session import Say, silent
from ..run.trust import Named, allow, note_asked
from .build import Sizes, build_episodes, compiles_few_shot
from .episode import Episodes
from .folder import (
    About,
    about_episodes,
    asked_by,
    begin_folder,
    digest_of,
    read_few_shot,
    read_few_shot_ended,
)
from .method import FewShotMethod
from .session import FewShotResult, FewShotSession, FewShotWatch, run_few_shot
from .stages import ENCODER, STAGED, make_stages, method_of


def execute_few_shot(
    episodes: Episodes,
    settings: FewShot,
    out: Path | None = None,
    watch: FewShotWatch | None = None,
    *,
    data_dir: Path | None = None,
    loggers: Sequence[Logger] = (),
) -> FewShotResult:
    """Trains a few-shot run and writes its folder.

    An interrupt (Ctrl-C) or SIGTERM ends training early: a checkpoint is written, and what was learned so far is
    evaluated and saved; `resume_few_shot` continues.

    Args:
        episodes: on the device to train on.
        settings: resolved settings.
        out: the run folder; `runs/TASK-MODEL-METHOD-N` when omitted.
        watch: called with each `FewShotProgress`.
        data_dir: where the data are, noted for `resume_few_shot`.
        loggers: take the metrics too, beside those that the settings name.

    Returns:
        A `FewShotResult`. The folder holds `config.json`, `episodes.json`, `metrics.jsonl`, `timing.jsonl`,
        `phi.safetensors` and `result.json`.

    Raises:
        UserError: a name or setting that does not fit the episodes; the folder exists.
        Failure: the run diverged, or a file cannot be written; the folder is removed, unless a checkpoint is in it.
    """
    about = about_episodes(episodes)
    other = None if settings.pretrained_from is None else Path(settings.pretrained_from)
    method_of(settings, Sizes.of(episodes), other)  # refuses what does not fit, before any file
    with _new_folder(out, settings) as folder:
        where = None if data_dir is None else str(data_dir)
        compiled = compiles_few_shot(settings)
        facts = environment(episodes.device) | {"data_dir": where, "data": about.data, "compiled": compiled}
        begin_folder(folder, settings, facts, about)
        note_asked(folder, asked_by(settings, where))
        method = _staged(folder, settings, episodes, watch)
        return run_few_shot(FewShotSession(episodes, settings, method, compiled, watch, loggers), folder)


def resume_few_shot(
    folder: Path,
    *,
    data_dir: Path | None = None,
    device: torch.device | None = None,
    watch: FewShotWatch | None = None,
    say: Say = silent,
    named: Named | None = None,
    loggers: Sequence[Logger] = (),
) -> FewShotResult:
    """Continues a few-shot run that was interrupted, from its last whole checkpoint, or from the start without one.

    The files are the same to the byte as if it had never been interrupted, but for the clock.

    Args:
        folder: of the run.
        data_dir: folder of the data; the run's own when omitted.
        device: where to compute; the run's own when omitted.
        watch, loggers: as in `execute_few_shot`.
        say: called with a line about each damaged checkpoint, and about each difference to where the run began.
        named: what else its settings may use: its own model and data.

    Raises:
        UserError: no run is there, it is complete, asks for what was not named, its data have changed, or another
            process is at work on it.
        Failure: training diverged, or the folder cannot be written; the checkpoints stay.
    """
    with writing(folder, "make room, or make the folder writable"):
        check_plain(folder)
        settings, facts, about = read_few_shot(folder)
        ended = read_few_shot_ended(folder)
        if ended is not None and ended.completed:
            raise UserError(f"{folder} is complete; there is nothing to resume.")
        where = device or resolve_device(facts.device)
        named = (named or Named())._replace(data_dir=data_dir)
        episodes = load_episodes_of(folder, settings, facts, about, where, named)
        say_changes(facts, where, say)
        method = _staged(folder, settings, episodes, watch)
        session = FewShotSession(episodes, settings, method, bool(facts.compiled), watch, loggers)
        return run_few_shot(session, folder, say)


def load_episodes_of(
    folder: Path, settings: FewShot, facts: Facts, about: About, device: torch.device | str, named: Named
) -> Episodes:
    """Loads the episodes of a run, where the user named or trusts what it asks for.

    Raises:
        UserError: it asks for code or data that were not named, or the data have changed.
    """
    allow(folder, asked_by(settings, facts.data_dir), named)
    noted = None if facts.data_dir is None else Path(facts.data_dir)
    episodes = build_episodes(settings, named.data_dir or noted, device, task=named.task)
    if digest_of(episodes) != about.data:
        raise UserError(
            f"the episodes of {settings.task} are not those that {folder} was trained on; put the old data back, or "
            "train again."
        )
    return episodes


KEPT = ("result.json", ENCODER)
"""Files that are worth more than an error after them."""


def _staged(folder: Path, settings: FewShot, episodes: Episodes, watch: FewShotWatch | None) -> FewShotMethod:
    """The method, after the stages before it."""
    if settings.method in STAGED:
        make_stages(folder, settings, episodes, watch)
    return method_of(settings, Sizes.of(episodes), folder)


def _new_folder(out: Path | None, settings: FewShot) -> AbstractContextManager[Path]:
    """Makes the folder of a few-shot run, as `new_folder`."""
    task, model = Path(settings.task).stem, settings.model.replace(":", ".")
    size = "" if settings.ways == 1 else f"-{settings.ways}way-{settings.shots}shot"
    return new_folder(out, f"{task}{size}-{model}-{settings.method}", KEPT)
