"""Where lfl keeps things of its own in the user's home."""

import os
from pathlib import Path

from .errors import UserError


def own_cache() -> Path:
    """The folder of downloaded data where none is named.

    Raises:
        UserError: this user has no home directory.
    """
    try:
        return Path("~/.cache/lfl").expanduser()
    except RuntimeError as error:
        raise UserError(
            "there is no home directory to keep data in; say where, with --data-dir or LFL_DATA."
        ) from error


def state_folder() -> Path | None:
    """The folder of what lfl notes for later, by the XDG standard; None where there is no home directory."""
    given = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path(given) if os.path.isabs(given) else Path("~/.local/state").expanduser()
    except RuntimeError:
        return None
    return home / "lfl"
