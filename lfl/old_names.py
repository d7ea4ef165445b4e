"""Former names of settings: old flags, configurations and variants still work, with a note of the new name."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .setting import flag
from .settings import FORMER_NAMES

Value = TypeVar("Value")
FORMER_FLAGS = {flag(old): flag(new) for old, new in FORMER_NAMES.items()}


class OldNameWarning(UserWarning):
    """A setting was given by a name of an older version."""


def renamed(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Returns settings by the names that they have now, without a note: for what a run of an older version wrote."""
    return {FORMER_NAMES.get(name, name): value for name, value in settings.items()}


def new_name(name: str) -> str:
    """Returns the name that a setting has now; warns where it was given by a former one."""
    if name not in FORMER_NAMES:
        return name
    warnings.warn(f"{name} is called {FORMER_NAMES[name]} now.", OldNameWarning, stacklevel=3)
    return FORMER_NAMES[name]


def new_flags(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments of a command with each former flag by its present name, and warns of it.

    Example:
        >>> new_flags(["train", "--steps=5"])
        ['train', '--steps=5']
    """
    modern = []
    for argument in arguments:
        name, sign, value = argument.partition("=")
        if name in FORMER_FLAGS:
            warnings.warn(f"{name} is called {FORMER_FLAGS[name]} now.", OldNameWarning, stacklevel=3)
            argument = FORMER_FLAGS[name] + sign + value
        modern.append(argument)
    return modern


def with_new_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings by the names that they have now, with a warning for each former one."""
    return {new_name(name): value for name, value in settings.items()}
