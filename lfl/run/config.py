"""Reads settings from a file: a user's own TOML, or the `config.json` of a run."""

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from ..boundary import converted, parse_json, read_bytes
from ..errors import UserError, reason
from ..fewshot_settings import flags_of_train
from ..old_names import with_new_names
from ..setting import check_text, check_value
from .schema import MOST_SEEDS, Facts, Threads
from .trust import Named, allow, asked_for

MOST = 2**20
"""Most bytes of a file of settings."""

OTHERWISE = "name a TOML file, or the config.json of a run"


class _Machine(Struct, frozen=True):
    """Names that a file may hold beside settings."""

    device: str | None = None
    threads: Threads | None = None
    data_dir: str | None = None
    seeds: Annotated[int, Meta(ge=1, le=MOST_SEEDS)] | None = None


MACHINE = [each.name for each in structs.fields(_Machine)]

NOTED = {each.name for each in structs.fields(Facts)} - set(MACHINE)
"""Facts that a run's `config.json` notes beside them, which are not read as settings."""


def read_config(path: Path) -> dict[str, Any]:
    """Reads settings by name; `device`, `threads`, `data_dir` and `seeds` (how many) too.

    A key may be written like its flag, `inner-lr` for `inner_lr`. Keys that are null are left out.

    Raises:
        UserError: the file cannot be read, or holds something that is not a setting.
    """
    asked = _json(path) if path.suffix == ".json" else _toml(path)
    if not isinstance(asked, dict):
        raise UserError(f"{path} must hold settings by name, got a {type(asked).__name__}.")
    named = with_new_names({key.replace("-", "_"): value for key, value in asked.items() if value is not None})
    if isinstance(named.get("seeds"), list):  # in the config.json of a run
        named["seeds"] = len(named["seeds"])
    settings, types = flags_of_train()
    known = [*settings, *MACHINE]
    check_names(named.keys() - NOTED, known, f"{path}: ")
    for name in sorted(named.keys() - NOTED):
        if name in settings:
            check_value(name, types[name], settings[name], named[name])
        elif isinstance(named[name], str):
            check_text(name, named[name])
    converted({name: named[name] for name in MACHINE if name in named}, _Machine, str(path))
    return {name: value for name, value in named.items() if name in known}


def check_names(names: Iterable[str], known: Collection[str], where: str = "") -> None:
    """Raises `UserError` for the first name that is not a setting, with the one that it resembles."""
    for name in sorted(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UserError(f"{where}{name!r} is not a setting{f'; did you mean {near[0]!r}?' if near else '.'}")


def _json(path: Path) -> Any:
    return parse_json(read_bytes(path, MOST, OTHERWISE), str(path))


def _toml(path: Path) -> Any:
    try:
        with path.open("rb") as file:  # also a pipe: the user named it
            content = file.read(MOST + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}); {OTHERWISE}.") from error
    if len(content) > MOST:
        raise UserError(f"{path} has more than {MOST:,} bytes, too many for settings; {OTHERWISE}.")
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not TOML ({reason(error)}).") from error


def read_allowed(path: Path, named: Mapping[str, Any], *, trust: bool) -> dict[str, Any]:
    """Reads settings, and refuses a file that asks for code or data that the user neither named nor trusts.

    Args:
        path: of the file.
        named: settings that the user gave beside it, by the same names.
        trust: whether everything is allowed that the file asks for.

    Raises:
        UserError: as `read_config`; the file asks for code or data that were not named.
    """
    asked = read_config(path)
    where = path.parent if path.name == "config.json" else path  # as `lfl train` notes what it made
    own, together = (asked_for(settings, asked.get("data_dir")) for settings in (asked, {**asked, **named}))
    used = {name: value for name, value in together.items() if name not in named}
    allow(where, own | used, Named(trust=trust), list(used))
    return asked
