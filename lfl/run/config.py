"""Settings from a file: a user's own TOML, or the `config.json` of a run."""

import difflib
import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import UserError, reason
from ..training import Settings
from ..training.settings import check_type

OF_THE_MACHINE: dict[str, type | tuple[type, ...]] = {"device": str, "threads": int, "data_dir": str, "seeds": int}
"""What a configuration may hold beside settings, and of what type."""

TOLD = {"device_name", "versions", "compiled", "together"}
"""What a run's `config.json` tells beside them, which nothing can be done about."""


def read_config(path: Path) -> dict[str, Any]:
    """What a file asks for, by the names of `Settings`; `device`, `threads`, `data_dir` and `seeds` (how many) too.

    A key may be written as a flag is, `inner-lr` for `inner_lr`. What is null, or not there, is not asked for.

    Raises:
        UserError: the file cannot be read, or holds what is no setting.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path} ({error.strerror}); name a TOML file, or the config.json of a run."
        ) from error
    try:
        asked = json.loads(content) if path.suffix == ".json" else tomllib.loads(content.decode())
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise UserError(f"{path} is not {kind} ({reason(error)}).") from error
    if not isinstance(asked, dict):
        raise UserError(f"{path} holds a {type(asked).__name__}, not settings by name.")
    named = {key.replace("-", "_"): value for key, value in asked.items() if value is not None}
    if isinstance(named.get("seeds"), list):  # of a run
        named["seeds"] = len(named["seeds"])
    types = {field.name: field.type for field in fields(Settings)}
    known = [*types, *OF_THE_MACHINE]
    for name in sorted(named.keys() - TOLD):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UserError(f"{path}: {name!r} is no setting{f'; did you mean {near[0]!r}?' if near else '.'}")
        if name in types:
            check_type(name, types[name], named[name])
        wanted = OF_THE_MACHINE.get(name)
        if wanted is not None and (not isinstance(named[name], wanted) or isinstance(named[name], bool)):
            raise UserError(f"{path}: {name} cannot be {named[name]!r}.")
    return {name: value for name, value in named.items() if name in known}
