"""What a setting is: type, default, range, choices and help; and the checks of values, alone and together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, NamedTuple

from .catalogue import LEARNED_LOSSES, METHODS
from .entry import Defaults, MethodEntry
from .errors import UserError, one_of

MOST_COUNT, MOST_RATE = 2**63 - 1, 3.4e38
"""The largest count, which fits 64 bits, and the largest rate, which is finite in single precision."""

MOST_SHOWN = 60
"""Letters of a value that an error shows."""

WORDS = {int: "a whole number", float: "a finite number", str: "a word", bool: "true or false"}


class Known(NamedTuple):
    """What is known when the default of a setting is worked out.

    Args:
        task: the task's defaults.
        method: the method's entry in the catalogue.
        values: the settings declared above this one, by name.
    """

    task: Defaults
    method: MethodEntry
    values: dict[str, Any]


STATED = object()

Default = Callable[[Known], Any]


@dataclass(frozen=True)
class Setting:
    """The declaration of a setting, all but its name and type; they are the dataclass field's.

    Args:
        panel: the group of flags that it belongs to.
        help: what it does, in a sentence.
        default: its value where none is given and the method has none of its own; or a function of what is `Known`.
        shown: the default in words.
        least: the smallest whole number that it may be.
        choices: what it may be, with a line about each.
        own: further forms of a value, such as `MODULE:FUNCTION`; a value that is no choice is then checked when used.
        several: whether several choices may be given, with commas between them; the first is then none of the others.
        share: whether a choice is followed by a share of the rows, `symmetric:0.4`.
        before: what it was in runs of older versions that do not state it; `STATED` where every run does.
        methods: the methods that it is for; None for all.
        was: its name in older versions.
    """

    panel: str
    help: str
    default: Any = None
    shown: str = ""
    least: int = 1
    choices: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    several: bool = False
    share: bool = False
    before: Any = STATED
    methods: tuple[str, ...] | None = None
    was: str = ""

    def default_of(self, known: Known) -> Any:
        """The default, worked out."""
        return self.default(known) if callable(self.default) else self.default


def of_task(name: str) -> Default:
    """Returns the default that the task has for a setting."""
    return lambda known: getattr(known.task, name)


def flag(name: str) -> str:
    """The flag of a setting: `--inner-lr` for `inner_lr`, and `--as` for `as_`, which Python has for itself."""
    return "--" + name.rstrip("_").replace("_", "-")


def default_words(setting: Setting) -> str:
    """The default of a setting in words."""
    if setting.shown:
        return setting.shown
    if callable(setting.default):
        return "the task's"
    if setting.default is None:
        return "none"
    return ("no", "yes")[setting.default] if type(setting.default) is bool else str(setting.default)


def check_value(name: str, declared: Any, setting: Setting, value: Any) -> None:
    """Raises `UserError` unless a value is of a setting's type and in its range, whatever the other settings are."""
    check_type(name, declared, value)
    if value is None or type(value) is bool:
        return
    if isinstance(value, str):
        check_text(name, value)
        if setting.share:
            parse_share(flag(name), value, list(setting.choices))
        elif setting.several:
            check_several(flag(name), value, list(setting.choices))
        elif setting.choices and not setting.own:
            one_of(flag(name), value, list(setting.choices))
    elif declared in (int, int | None):
        if not setting.least <= value <= MOST_COUNT:
            raise UserError(f"{flag(name)} must be a whole number of at least {setting.least}, got {short(value)}.")
    elif not 0.0 <= value <= MOST_RATE:
        raise UserError(f"{flag(name)} must be a finite number of at least 0, got {short(value)}.")


def check_several(name: str, value: str, known: list[str]) -> None:
    """Raises `UserError` unless a value is choices with commas between them, each once, or the first of all alone."""
    chosen = value.split(",")
    for each in chosen:
        one_of(name, each, known)
    if len(set(chosen)) < len(chosen) or (known[0] in chosen and len(chosen) > 1):
        raise UserError(f"{name} takes each choice once, and {known[0]} alone, got {value!r}.")


def check_text(name: str, value: str) -> None:
    """Raises `UserError` unless a text can be written to a file, and can be a path."""
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise UserError(f"{flag(name)} must be text, got {value!a}.")


def check_type(name: str, declared: Any, value: Any) -> None:
    """Raises `UserError` unless a value is of a setting's type; a whole number is a number too."""
    types = declared.__args__ if isinstance(declared, UnionType) else (declared,)
    whole = type(value) is int and float in types
    if not whole and type(value) not in types:
        words = " or ".join(WORDS[one] for one in types if one is not type(None))
        raise UserError(f"{flag(name)} must be {words}, got {short(value)}.")


def check_together(settings: Any) -> None:
    """Raises `UserError` where two settings of a run do not go together; `settings` has them as attributes."""
    if settings.meta_every % settings.horizon or settings.steps % settings.horizon:
        raise UserError(
            f"--steps and --meta-every must be multiples of --horizon, got {settings.steps}, {settings.meta_every} "
            f"and {settings.horizon}."
        )
    if settings.optimizer != "sgd" and (settings.momentum or settings.nesterov):
        raise UserError(
            f"--momentum and --nesterov are sgd's, but --optimizer is {settings.optimizer}; leave them out."
        )
    if settings.compile == "on" and settings.recompute is not None:
        raise UserError("--recompute saves nothing in compiled steps; choose --compile off, or leave --recompute out.")
    one_step = max(settings.horizon, settings.inner_steps) == 1
    if settings.stored != "float32" and (one_step or settings.hypergradient not in ("auto", "mixed")):
        raise UserError(
            f"--stored {settings.stored} is for the steps that --hypergradient mixed keeps of a --horizon or of "
            f"--inner-steps above 1, got {settings.hypergradient}, {settings.horizon} and {settings.inner_steps}."
        )
    if settings.base is not None and not uses_base(settings.method, settings.loss):
        with_base = ", ".join(name for name, entry in LEARNED_LOSSES.items() if entry.from_base)
        raise UserError(
            f"--base {settings.base} is for a learned loss that starts from it ({with_base}), but method "
            f"{settings.method} has the loss {settings.loss}; leave --base out, or choose another --loss."
        )
    named = settings.loss in LEARNED_LOSSES or ":" in settings.loss  # else it is a formula, which needs no run
    if settings.method == "fixed" and named and settings.loss_from is None:
        raise UserError("--method fixed trains on a loss that is given; give --loss-from RUN, or --loss FORMULA.")
    if settings.method != "fixed" and settings.loss_from is not None:
        raise UserError(f"--loss-from RUN belongs to --method fixed, but the method is {settings.method}; give both.")
    if settings.objective is not None and settings.keep == "last" and not METHODS[settings.method].learns:
        raise UserError(
            f"--objective {short(settings.objective)} is what a loss is learned for, but --method {settings.method} "
            "learns nothing; leave it out, or keep the model that is best by it with --keep best."
        )


def uses_base(method: str, loss: str) -> bool:
    """Whether what a method learns starts from a hand-made loss."""
    entry = LEARNED_LOSSES.get(loss)
    return METHODS[method].learns_loss and entry is not None and entry.from_base


def parse_share(name: str, text: str, known: list[str]) -> tuple[str, float]:
    """Splits a kind of damage from the share of the rows that it is done to: `symmetric:0.4`.

    Raises:
        UserError: an unknown kind, or a share that is not from 0 to 1.
    """
    kind, _, share = text.partition(":")
    one_of(name, kind, known)
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise UserError(f"{name} must name a share of the rows from 0 to 1, such as {kind}:0.4, got {text!r}.")
    return kind, value


def short(value: Any) -> str:
    """A value in an error, cut where it is long."""
    if type(value) is int and abs(value) > MOST_COUNT:
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
