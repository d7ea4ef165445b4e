"""Trains runs into run folders, and resumes them: everything that `lfl train` and `lfl resume` do but the printing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ..device import resolve_device
from ..errors import UserError
from ..method import Programs
from ..step.ranks import ranks_of
from ..task import Task
from ..training import Settings, build_programs, compiles, trains_together
from ..types import Group
from .folder import check_plain, write_json
from .load import load_data, read_result
from .logger import Logger
from .new_folder import new_folder, writing
from .record import Result
from .schema import Facts, environment, read_facts, read_settings, say_changes
from .session import Draw, Say, Session, Watch, build_session, run_session, silent
from .together import follow, ranks_for
from .trust import Named, allow, asked_for, note_made_here


def execute(
    task: Task,
    settings: Settings,
    out: Path | None = None,
    watch: Watch | None = None,
    *,
    data_dir: Path | None = None,
    loggers: Sequence[Logger] = (),
    draw: Draw | None = None,
    group: Group | None = None,
) -> Result:
    """Trains a run and writes its folder.

    An interrupt (Ctrl-C) or SIGTERM ends training early: a checkpoint is written, and the model so far is evaluated and
    saved; `resume` continues.

    Args:
        task: data, on the device to train on.
        settings: resolved settings.
        out: the run folder; `runs/TASK-MODEL-METHOD-N` when omitted.
        watch: called with each `Progress`.
        data_dir: where the data are, noted for `resume`.
        loggers: take the metrics too, beside those that the settings name.
        draw: draws what a run folder has learned, for loggers, as `lfl.report.draw_losses`.
        group: the processes that train together, a process group or an `lfl.Ranks`: all call this with the same
            arguments, and the first one writes, and calls `watch` and the loggers.

    Returns:
        The `Result`, on other ranks than the first without errors. The folder holds `config.json`, `encoding.json`,
        `metrics.jsonl`, `timing.jsonl`, `theta.safetensors`, `buffers.safetensors`, `result.json` and, where something
        was learned beside the model, `phi.safetensors`, `phi_history.safetensors` and for a loss `loss_curves.npz`.

    Raises:
        UserError: a name or setting that does not fit the task; the folder exists.
        Failure: the run diverged, or a file cannot be written; the folder is removed, unless a checkpoint is in it.
    """
    ranks = ranks_for(group, settings)
    compiled = compiles(task, settings) if ranks is None else settings.compile == "on"
    steps = build_programs(task, settings, many_seeds=False, compiled=compiled, group=ranks)
    session = build_session(task, settings, steps, None, watch, ranks)._replace(loggers=loggers, draw=draw)
    if ranks is not None and ranks.rank:
        return follow(ranks, session.plan, settings, task.kind)
    with _new_folder(out, settings) as folder:
        _begin_folder(folder, task, settings, _facts(task, data_dir, compiled))
        return run_session(session, folder, [folder])[0]


def execute_into(
    task: Task,
    settings: Settings,
    folder: Path,
    watch: Watch | None = None,
    *,
    data_dir: Path | None = None,
    draw: Draw | None = None,
    say: Say = silent,
) -> Result:
    """Trains a run in a folder that is there and may hold more, such as the search that found its loss.

    A run that has begun there is continued.

    Args:
        task, settings, watch, data_dir, draw: as in `execute`.
        folder: where its files are written.
        say: as in `resume`.

    Raises:
        UserError, Failure: as `execute`; also where a run of other settings has begun there. The folder stays.
    """
    with writing(folder, "make room, or make the folder writable"):
        check_plain(folder)
        compiled: bool | None = compiles(task, settings)
        if not (folder / "config.json").is_file():
            _begin_folder(folder, task, settings, _facts(task, data_dir, bool(compiled)))
        elif read_settings(folder) != settings:
            raise UserError(f"{folder} holds a run of other settings; choose another folder.")
        else:
            compiled = read_facts(folder).compiled
        steps = build_programs(task, settings, many_seeds=False, compiled=bool(compiled))
        session = build_session(task, settings, steps, None, watch)._replace(draw=draw)
        return run_session(session, folder, [folder], say)[0]


def execute_seeds(
    task: Task,
    settings: Settings,
    seeds: Sequence[int],
    out: Path | None = None,
    watch: Watch | None = None,
    *,
    data_dir: Path | None = None,
    draw: Draw | None = None,
) -> list[Result]:
    """Trains several seeds of a run: as one vmapped program where that is faster, else one after the other.

    Args:
        task, settings, watch, data_dir, draw: as in `execute`; the settings' own seed is not used.
        seeds: at least one.
        out: holds a run folder `seed-S` for each, and a `config.json` of them all.

    Returns:
        A `Result` a seed; fewer where seeds ran one after the other and were interrupted.

    Raises:
        UserError, Failure: as `execute`.
    """
    together, compiled = trains_together(task, settings), compiles(task, settings)
    steps = build_programs(task, settings, many_seeds=together, compiled=compiled)
    session = build_session(task, settings, steps, seeds if together else None, watch)._replace(draw=draw)
    facts = _facts(task, data_dir, compiled) | {"together": together}
    with _new_folder(out, settings) as folder:
        write_json(folder / "config.json", asdict(settings) | facts | {"seeds": list(seeds)})
        note_made_here(folder, settings, facts["data_dir"])
        for seed in seeds:
            (folder / f"seed-{seed}").mkdir()
            _begin_folder(folder / f"seed-{seed}", task, replace(settings, seed=seed), facts)
        folders = [folder / f"seed-{seed}" for seed in seeds]
        if together:
            return run_session(session, folder, folders)
        return _run_in_turn(session, steps, folders)


def resume(
    folder: Path,
    *,
    data_dir: Path | None = None,
    device: torch.device | None = None,
    watch: Watch | None = None,
    say: Say = silent,
    named: Named | None = None,
    task: Task | None = None,
    loggers: Sequence[Logger] = (),
    draw: Draw | None = None,
    group: Group | None = None,
) -> list[Result]:
    """Continues a run that was interrupted, from its last whole checkpoint, or from the start where there is none.

    The files are the same to the byte as if it had never been interrupted, but for the clock.

    A folder that was not made here may ask for code or for data elsewhere; they are used only where they are named.

    Args:
        folder: a run folder, or one that holds the folders of several seeds.
        data_dir: folder of the data sets; the run's own when omitted.
        device: where to compute; the run's own when omitted.
        watch: called with each `Progress`.
        say: called with a line about each damaged checkpoint, and about each difference to the machine where it began.
        named: what else its settings may use: its own model, loss and data, the run whose loss it trains on.
        task: the data, where the run was given a `Task` or loaders; read from where the run had them when omitted.
        loggers, draw, group: as in `execute`; for one seed alone. Any number of ranks continues a run of any other,
            with the same numbers to rounding.

    Returns:
        A `Result` for each seed.

    Raises:
        UserError: no run is there, it is complete, is one of several that train together, asks for what was not
            named, its data have changed, or another process is at work on it.
        Failure: training diverged, or the folder cannot be opened or written; the checkpoints stay.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a run folder: there is no such folder; name one that lfl train made.")
    several = ranks_of(group)
    follows = several is not None and several.rank > 0
    work = nullcontext() if follows else writing(folder, "make room, or make the folder writable")
    with work:  # what is read from here on stays as it is
        check_plain(folder)
        settings, facts = read_settings(folder), read_facts(folder)
        folders = _folders(folder, settings, facts)
        if loggers and facts.seeds is not None:
            raise UserError(f"{folder} holds several seeds, and loggers are for one; resume one of its folders.")
        if several is not None and facts.seeds is not None:
            raise UserError(f"{folder} holds several seeds, and ranks train one; resume one of its folders.")
        ranks = ranks_for(group, settings)
        if all(read_result(own) is not None for own in folders):
            raise UserError(f"{folder} is complete; there is nothing to resume.")
        named = (named or Named())._replace(data_dir=data_dir)
        allow(folder, asked_for(asdict(settings), facts.data_dir), named)
        data = task or named.task
        task = load_data(folder, data_dir, task=data, valid=named.valid, trust=named.trust).to(
            device or resolve_device(facts.device)
        )
        if not follows:
            say_changes(facts, task.device, say)
        together = facts.together and facts.seeds is not None
        compiled = compiles(task, settings) if facts.compiled is None else facts.compiled
        compiled = compiled if ranks is None else settings.compile == "on"
        steps = build_programs(task, settings, many_seeds=together, compiled=compiled, group=ranks)
        session = build_session(task, settings, steps, facts.seeds if together else None, watch, ranks)
        if ranks is not None and follows:
            return [follow(ranks, session.plan, settings, task.kind)]
        session = session._replace(loggers=loggers, draw=draw)
        if facts.seeds is not None and not together:
            return _run_in_turn(session, steps, folders, say)
        return run_session(session, folder, folders, say)


def _begin_folder(folder: Path, task: Task, settings: Settings, facts: dict[str, Any]) -> None:
    """Writes the files that a run folder holds before the first step."""
    write_json(folder / "encoding.json", task.encoding.content())
    write_json(folder / "config.json", asdict(settings) | facts)
    note_made_here(folder, settings, facts["data_dir"])


def _run_in_turn(session: Session, steps: Programs, folders: list[Path], say: Say = silent) -> list[Result]:
    """Trains the run folders of several seeds one after the other; those that are complete are only read."""
    results: list[Result] = []
    for folder in folders:
        done = read_result(folder)
        if done is None:
            settings = read_settings(folder)
            alone = build_session(session.task, settings, steps, None, session.watch)._replace(draw=session.draw)
            (done,) = run_session(alone, folder, [folder], say)
        results.append(done)
        if not done.completed:
            break
    return results


def _new_folder(out: Path | None, settings: Settings) -> AbstractContextManager[Path]:
    """Makes the folder of a run, as `new_folder`."""
    task, model = (
        Path(settings.task).stem.replace(":", "."),
        settings.model.replace(":", "."),
    )  # a user's own: a path, module:function
    return new_folder(out, f"{task}-{model}-{settings.method}")


def _facts(task: Task, data_dir: Path | None, compiled: bool) -> dict[str, Any]:
    """Returns the facts that `config.json` holds beside the settings."""
    where = None if data_dir is None else str(data_dir)
    return environment(task.device) | {"data_dir": where, "data": task.digest or None, "compiled": compiled}


def _folders(folder: Path, settings: Settings, facts: Facts) -> list[Path]:
    """Returns the run folder of each seed; their settings must be those of the folder above but for the seed."""
    if facts.seeds is None:
        if facts.together:
            raise UserError(f"{folder} trained together with other seeds; resume the folder above it, {folder.parent}.")
        return [folder]
    folders = [folder / f"seed-{seed}" for seed in facts.seeds]
    for seed, own in zip(facts.seeds, folders, strict=True):
        if read_settings(own) != replace(settings, seed=seed):
            raise UserError(f"{own} was made with other settings than {folder}; it cannot be resumed.")
    return folders
