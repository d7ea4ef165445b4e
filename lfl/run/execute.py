"""Train, and leave run folders behind: the whole of `lfl train` but its face."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import Diverged, LflError
from ..method import Programs
from ..task import Task
from ..training import Settings, build_programs, compiles, trains_together
from .checkpoint import FOLDER
from .environment import environment
from .folder import create_folder, explained, write_json
from .load import read_result
from .lock import locked
from .record import Result
from .schema import read_settings
from .session import Say, Session, Watch, build_session, run_session, silent
from .trust import note_made_here


def execute(
    task: Task,
    settings: Settings,
    out: Path | None = None,
    watch: Watch | None = None,
    *,
    data_dir: Path | None = None,
) -> Result:
    """Train by `settings` on `task` and write the run folder.

    An interrupt (Ctrl-C) or SIGTERM ends training early: a checkpoint is written, and what was learned so far is
    evaluated and saved; `resume` goes on.

    Args:
        task: data, on the device to train on.
        settings: resolved settings.
        out: the run folder; `runs/TASK-MODEL-METHOD-N` when omitted.
        watch: called with each `Progress`.
        data_dir: where the data came from, noted for `resume`.

    Returns:
        The `Result`. The folder holds `config.json`, `encoding.json`, `metrics.jsonl`, `timing.jsonl`,
        `theta.safetensors`, `buffers.safetensors`, `result.json` and, where something was learned beside the model,
        `phi.safetensors`, `phi_history.safetensors` and for a loss `loss_curves.npz`.

    Raises:
        UserError: a name or setting that does not fit the task; the folder exists.
        Failure: the run diverged, or the disk failed; the folder is removed, unless a checkpoint is in it.
    """
    compiled = compiles(task, settings)
    steps = build_programs(task, settings, many_seeds=False, compiled=compiled)
    session = build_session(task, settings, steps, None, watch)
    with new_folder(out, settings) as folder:
        begin_folder(folder, task, settings, _facts(task, data_dir, compiled))
        return run_session(session, folder, [folder])[0]


def execute_seeds(
    task: Task,
    settings: Settings,
    seeds: Sequence[int],
    out: Path | None = None,
    watch: Watch | None = None,
    *,
    data_dir: Path | None = None,
) -> list[Result]:
    """The same for several seeds: as one vmapped program where that is faster, else one after the other.

    Args:
        task, settings, watch, data_dir: as in `execute`; the settings' own seed is not used.
        seeds: at least one.
        out: holds a run folder `seed-S` for each, and a `config.json` of them all.

    Returns:
        A `Result` a seed; fewer where an interrupt came while seeds ran one after the other.

    Raises:
        UserError, Failure: as `execute`.
    """
    together, compiled = trains_together(task, settings), compiles(task, settings)
    steps = build_programs(task, settings, many_seeds=together, compiled=compiled)
    session = build_session(task, settings, steps, seeds if together else None, watch)
    facts = _facts(task, data_dir, compiled) | {"together": together}
    with new_folder(out, settings) as folder:
        write_json(folder / "config.json", asdict(settings) | facts | {"seeds": list(seeds)})
        note_made_here(folder, settings, facts["data_dir"])
        for seed in seeds:
            (folder / f"seed-{seed}").mkdir()
            begin_folder(folder / f"seed-{seed}", task, replace(settings, seed=seed), facts)
        folders = [folder / f"seed-{seed}" for seed in seeds]
        if together:
            return run_session(session, folder, folders)
        return run_in_turn(session, steps, folders)


def begin_folder(folder: Path, task: Task, settings: Settings, facts: dict[str, Any]) -> None:
    """What a run folder holds before the first step."""
    write_json(folder / "encoding.json", task.encoding.content())
    write_json(folder / "config.json", asdict(settings) | facts)
    note_made_here(folder, settings, facts["data_dir"])


def run_in_turn(session: Session, steps: Programs, folders: list[Path], say: Say = silent) -> list[Result]:
    """Run folders of several seeds one after the other, as far as each is not complete already."""
    results: list[Result] = []
    for folder in folders:
        done = read_result(folder)
        if done is None:
            settings = read_settings(folder)
            alone = build_session(session.task, settings, steps, None, session.watch)
            (done,) = run_session(alone, folder, [folder], say)
        results.append(done)
        if not done.completed:
            break
    return results


@contextmanager
def new_folder(out: Path | None, settings: Settings) -> Iterator[Path]:
    """A new run folder, removed again where what is done in it fails before there is anything to go on from."""
    task, model = Path(settings.task).stem, settings.model.replace(":", ".")  # of a user's own: a path, module:function
    folder = create_folder(out, f"{task}-{model}-{settings.method}")
    try:
        with writing(folder):
            yield folder
    except BaseException as error:
        if not any(folder.rglob(f"{FOLDER}/*.safetensors")) and not any(folder.rglob("result.json")):
            shutil.rmtree(folder, ignore_errors=True)
        elif isinstance(error, LflError):
            again = f"is in {folder}" if isinstance(error, Diverged) else f"is kept: lfl resume {folder}"
            raise type(error)(f"{error} What was saved before {again}") from error
        raise


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run folder, and put a disk that fails into words."""
    with explained(f"write the run into {folder}", "make room, or choose another --out"), locked(folder):
        yield


def _facts(task: Task, data_dir: Path | None, compiled: bool) -> dict[str, Any]:
    """What `config.json` says beside the settings."""
    where = None if data_dir is None else str(data_dir)
    return environment(task.device) | {"data_dir": where, "data": task.digest or None, "compiled": compiled}
