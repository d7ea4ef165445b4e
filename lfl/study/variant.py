"""A method with settings of its own, as one writes it: `adalfl outer_lr=1e-4`."""

from dataclasses import dataclass, field, fields
from typing import Any, get_args

from ..errors import UserError, one_of
from ..method import METHODS
from ..training import Settings

NOT_OF_A_VARIANT = {
    *["task", "model", "method", "seed", "checkpoint_every", "log"],
    *["target", "kind", "valid", "valid_size", "eval_split"],
}
"""What is the same for all that is compared, or makes no difference."""

TYPES = {f.name: f.type for f in fields(Settings) if f.name not in NOT_OF_A_VARIANT}
WORDS = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Variant:
    """What is compared.

    Args:
        method: a name in `METHODS`.
        asked: settings that it has of its own, by name.
    """

    method: str
    asked: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.method, *(f"{name}={value}" for name, value in self.asked.items())])


def parse_variant(text: str) -> Variant:
    """Read `METHOD SETTING=VALUE ...`; settings are the flags of `lfl train`, with `-` or `_`.

    Raises:
        UserError: an unknown method or setting, or a value that it cannot have.

    Example:
        >>> parse_variant("ml3 inner-steps=5 offline_lr=1e-2")
        Variant(method='ml3', asked={'inner_steps': 5, 'offline_lr': 0.01})
    """
    method, *rest = text.split() or [""]
    one_of("method", method, list(METHODS))
    asked: dict[str, Any] = {}
    for part in rest:
        name, sign, value = part.partition("=")
        name = name.replace("-", "_")
        if not sign:
            raise UserError(f"{text!r} is no method with settings: write it as 'adalfl outer_lr=1e-4'.")
        one_of(f"setting of {method}", name, list(TYPES))
        asked[name] = _value(name, value)
    return Variant(method, asked)


def _value(name: str, text: str) -> Any:
    """A value of a setting's type; what it may be beyond that is the settings' affair."""
    declared: Any = TYPES[name]
    (kind,) = [t for t in get_args(declared) or (declared,) if t is not type(None)]
    if kind is bool and text in ("true", "false"):
        return text == "true"
    try:
        if kind is not bool:
            return kind(text)
    except ValueError:
        pass
    raise UserError(f"{name} must be {WORDS[kind]}, but {text!r} came.")
