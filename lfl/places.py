"""Folders in the user's home where lfl keeps files of its own: the data cache and its notes."""

import os
from pathlib import Path

from .errors import UserError


def own_cache() -> Path:
    """The default folder for downloaded data, `~/.cache/lfl`.

    Raises:
        UserError: this user has no home directory.
    """
    try:
        return Path("~/.cache/lfl").expanduser()
    except RuntimeError as error:
        raise UserError(
            "there is no home directory to keep data in; name a folder with --data-dir or LFL_DATA."
        ) from error


def state_folder() -> Path | None:
    """The folder where lfl keeps its notes, by the XDG standard; None where there is no home directory."""
    given = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path(given) if os.path.isabs(given) else Path("~/.local/state").expanduser()
    except RuntimeError:
        return None
    return home / "lfl"
