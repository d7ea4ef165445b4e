"""Go on with a run that was killed or told to stop."""

from dataclasses import asdict, replace
from pathlib import Path

import torch

from ..device import resolve_device
from ..errors import UserError
from ..task import Task
from ..training import Settings, build_programs, compiles
from .environment import environment
from .execute import run_in_turn
from .folder import check_plain, explained
from .load import load_data, read_result
from .lock import locked
from .record import Result
from .schema import Facts, read_facts, read_settings
from .session import Say, Watch, build_session, run_session, silent
from .trust import Named, allow, asked_for


def resume(
    folder: Path,
    *,
    data_dir: Path | None = None,
    device: torch.device | None = None,
    watch: Watch | None = None,
    say: Say = silent,
    named: Named | None = None,
) -> list[Result]:
    """Go on from the last whole checkpoint, to the bit as if nothing had happened; from the start where there is none.

    A folder that was not made here may ask for code or for data elsewhere; they are used only where they are named.

    Args:
        folder: a run folder, or one that holds the folders of several seeds.
        data_dir: folder of the data sets; the run's own when omitted.
        device: where to go on; the run's own when omitted.
        watch: called with each `Progress`.
        say: called with what is worth knowing: damaged checkpoints, and what differs from where the run began.
        named: what else of its settings is allowed: its own model, loss and data, the run whose loss it trains on.

    Returns:
        A `Result` for each seed.

    Raises:
        UserError: no run is there, it is complete, is one of several that train together, asks for what was not
            named, its data have changed, or another process is at work on it.
        Failure: training diverged, or the disk failed; the checkpoints stay.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a run folder: there is no such folder; name one that lfl train made.")
    with locked(folder):  # what is read from here on is nobody else's to change
        check_plain(folder)
        settings, facts = read_settings(folder), read_facts(folder)
        folders = _folders(folder, settings, facts)
        if all(read_result(own) is not None for own in folders):
            raise UserError(f"{folder} is complete; there is nothing to resume.")
        named = (named or Named())._replace(data_dir=data_dir)
        allow(folder, asked_for(asdict(settings), facts.data_dir), named)
        task = load_data(folder, data_dir, task=named.task, valid=named.valid, trust=named.trust).to(
            device or resolve_device(facts.device)
        )
        _tell_changes(facts, task, say)
        together = facts.together and facts.seeds is not None
        compiled = compiles(task, settings) if facts.compiled is None else facts.compiled
        steps = build_programs(task, settings, many_seeds=together, compiled=compiled)
        session = build_session(task, settings, steps, facts.seeds if together else None, watch)
        with explained(f"write the run into {folder}", "make room, or choose another --out"):
            if facts.seeds is not None and not together:
                return run_in_turn(session, steps, folders, say)
            return run_session(session, folder, folders, say)


def _folders(folder: Path, settings: Settings, facts: Facts) -> list[Path]:
    """The run folder of each seed, whose settings are those of the folder above but for the seed."""
    if facts.seeds is None:
        if facts.together:
            raise UserError(f"{folder} trained together with other seeds; resume the folder above it, {folder.parent}.")
        return [folder]
    folders = [folder / f"seed-{seed}" for seed in facts.seeds]
    for seed, own in zip(facts.seeds, folders, strict=True):
        if read_settings(own) != replace(settings, seed=seed):
            raise UserError(f"{own} was made with other settings than {folder}; it cannot be resumed.")
    return folders


def _tell_changes(facts: Facts, task: Task, say: Say) -> None:
    """Say where the run began otherwise than it goes on."""
    for name, now in environment(task.device).items():
        was = getattr(facts, name)
        if now != was:
            say(f"{name} was {was} and is {now}: numbers may differ in their last digits.")
