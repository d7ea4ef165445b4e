"""Go on with a run that was killed or told to stop."""

from pathlib import Path

import torch

from ..errors import UserError
from ..training import build_programs
from .environment import environment
from .execute import run_in_turn, writing
from .load import load_data, read_json, read_result, read_settings
from .record import Result
from .session import Say, Watch, build_session, run_session, silent


def resume(
    folder: Path,
    *,
    data_dir: Path | None = None,
    device: torch.device | None = None,
    watch: Watch | None = None,
    say: Say = silent,
) -> list[Result]:
    """Go on from the last whole checkpoint, to the bit as if nothing had happened; from the start where there is none.

    Args:
        folder: a run folder, or one that holds the folders of several seeds.
        data_dir: folder of the data sets; the run's own when omitted.
        device: where to go on; the run's own when omitted.
        watch: called with each `Progress`.
        say: called with what is worth knowing: damaged checkpoints, and what differs from where the run began.

    Returns:
        A `Result` for each seed.

    Raises:
        UserError: no run is there, it is complete, is one of several that train together, or another process is at
            work on it.
        Failure: training diverged, or the disk failed; the checkpoints stay.
    """
    settings, config = read_settings(folder), read_json(folder / "config.json")
    seeds, together = config.get("seeds"), config.get("together", False)
    if together and seeds is None:
        raise UserError(f"{folder} trained together with other seeds; resume the folder above it, {folder.parent}.")
    folders = [folder] if seeds is None else [folder / f"seed-{seed}" for seed in seeds]
    if all(read_result(own) is not None for own in folders):
        raise UserError(f"{folder} is complete; there is nothing to resume.")
    task = load_data(folder, data_dir).to(device or torch.device(config["device"]))
    now = environment(task.device)
    for name in now:
        if now[name] != config.get(name):
            say(f"{name} was {config.get(name)} and is {now[name]}: numbers may differ in their last digits.")
    steps = build_programs(task, settings, many_seeds=together, compiled=config["compiled"])
    session = build_session(task, settings, steps, seeds if together else None, watch)
    with writing(folder):
        if seeds is not None and not together:
            return run_in_turn(session, steps, folders, say)
        return run_session(session, folder, folders, say)
