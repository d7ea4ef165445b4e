"""What became of a seed."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ..boundary import read_json
from ..errors import Diverged, UserError
from ..run.folder import check_plain, write_json
from ..run.schema import Divergence, Origin, last_seconds, read_ended, read_known
from .cell import Cell
from .commit import joined, source

ORIGIN = "origin.json"
"""In a run folder of a study: the commit of the source, and how many seeds trained as one program."""


WITHOUT_EFFECT = {"seed", "checkpoint_every", "log"}
"""Settings in which runs of a cell may differ."""


class Outcome(NamedTuple):
    """What became of a seed.

    Args:
        seed: which.
        test_error, valid_error: NaN where it diverged.
        seconds: of its training: its share, where seeds trained as one program; NaN where it diverged.
        commit: of the source that made the run.
        diverged: what became infinite and when; None where it did not.
    """

    seed: int
    test_error: float
    valid_error: float
    seconds: float
    commit: str
    diverged: str | None = None


def read_outcome(cell: Cell, seed: int) -> Outcome | None:
    """What a study's folder holds of a seed; None where it has not ended.

    Raises:
        UserError: it was made with other settings, or its files are corrupt.
    """
    diverged = cell.divergence(seed)
    if diverged.is_file():
        found = read_json(diverged, Divergence)
        same_settings(cell, found.settings, diverged)
        return Outcome(seed, math.nan, math.nan, math.nan, found.commit, found.reason)
    folder = cell.run(seed)
    check_plain(cell.folder)
    try:
        ended = read_ended(folder)
        if ended is None or not ended.completed:
            return None
        config, origin = read_known(folder / "config.json"), _origin(folder)
        seconds = last_seconds(folder) / origin.seeds
    except UserError as error:
        raise UserError(f"{error} Remove {folder}, and it will be run again.") from error
    same_settings(cell, config, folder)
    commit = origin.commit or config.get("versions", {}).get("lfl", "")
    return Outcome(seed, ended.test_error, ended.valid_error, seconds, commit)


def _origin(folder: Path) -> Origin:
    return read_json(folder / ORIGIN, Origin) if (folder / ORIGIN).is_file() else Origin()


def is_whole(folder: Path) -> bool:
    """Whether a run folder is that of a run that came to its end."""
    ended = read_ended(folder)
    return ended is not None and ended.completed


def write_divergence(cell: Cell, seed: int, error: Diverged) -> None:
    """Note that a seed diverged, so that it is not run again."""
    found = {"settings": asdict(cell.settings) | {"seed": seed}, "reason": str(error), "commit": source()}
    write_json(cell.divergence(seed), found)


def write_origin(folder: Path, num_seeds: int) -> None:
    """Note what a run is made by; where it is gone on with, also what it was made by before."""
    before = [_origin(folder).commit] if (folder / ORIGIN).is_file() else []
    write_json(folder / ORIGIN, {"commit": joined(*before, source()), "seeds": num_seeds})


def same_settings(cell: Cell, found: dict[str, Any], where: Path) -> None:
    """Refuse to mix runs of different settings. One that an older run does not state was what it is by default.

    Raises:
        UserError: `found`, the settings at `where`, are not the cell's.
    """
    plain = asdict(cell.plain)
    for name, wanted in asdict(cell.settings).items():
        was = found.get(name, plain[name])
        if name not in WITHOUT_EFFECT and was != wanted:
            raise UserError(
                f"{where} was made with {name} {was}, but {wanted} is asked for now; choose another --out, or the "
                "settings of before."
            )
