"""The settings of a run: what was asked for, and the method's and the task's defaults for the rest."""

from typing import Any

from ..catalogue import METHODS
from ..entry import Defaults
from ..errors import one_of
from ..setting import Known
from ..settings import SETTINGS, TYPES, Settings, check_setting

LEAST_META_STEPS = 300
"""Steps that a loss takes at least where `meta_every` is not given: in a short training it learns more often."""


def resolve(defaults: Defaults, **asked: Any) -> Settings:
    """Fills in the settings that were not asked for.

    A setting is what was asked for; else the method's own default, where it has one; else the default that
    `lfl.settings` declares, which may be the task's.

    Args:
        defaults: of the task.
        asked: fields of `Settings` by name; None stands for the default.

    Returns:
        The settings of the run.

    Raises:
        UserError: an unknown setting, or one that is out of range.

    Example:
        >>> from lfl.task import DEFAULTS
        >>> settings = resolve(DEFAULTS["digits"], method="residual", steps=600)
        >>> settings.offline_steps, settings.meta_every, settings.momentum
        (0, 2, 0.9)
    """
    asked = {name: value for name, value in asked.items() if value is not None}
    for name, value in asked.items():
        one_of("setting", name, list(SETTINGS))
        check_setting(name, value)
        if type(value) is int and TYPES[name] in (float, float | None):
            asked[name] = float(value)
    method = METHODS[asked.get("method", SETTINGS["method"].default)]
    own = dict(method.defaults)
    if (
        asked.get("optimizer", own.get("optimizer", defaults.optimizer)) != "sgd"
    ):  # the momentum of tasks and methods is sgd's
        own |= {"momentum": 0.0, "nesterov": False}
    chosen = own | asked
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        values[name] = chosen[name] if name in chosen else setting.default_of(Known(defaults, method, values))
    if "meta_every" not in asked:  # the nearest multiple of the horizon
        rarely = min(values["meta_every"], values["steps"] // LEAST_META_STEPS)
        values["meta_every"] = values["horizon"] * max(1, round(rarely / values["horizon"]))
    if "meta_every" in own and "outer_lr" not in asked:  # fewer steps of phi are as many times longer
        values["outer_lr"] = own["outer_lr"] * values["meta_every"] / own["meta_every"]
    return Settings(**values)
