"""What a study runs: a method with its settings on a task and model, once for each seed."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from ..catalogue import METHODS
from ..entry import Defaults
from ..errors import UserError, one_of
from ..old_names import new_name
from ..report.statistics import Spread
from ..settings import TYPES
from ..training import Settings, resolve

TUNED = "baseline-tuned"
"""The baseline with a cosine schedule and, of the rates below, the one of least validation error."""

TUNED_FACTORS = (0.1, 0.316, 1.0, 3.16, 10.0)
"""The rates that `baseline-tuned` chooses from, as multiples of the task's rate."""

NAMED = {
    "taylor-quadratic": "adalfl loss=taylor-quadratic",
    "taylor-cubic": "adalfl loss=taylor-cubic",
    "ml3 slrelu": "ml3",
    "ml3 relu+softplus": "ml3 loss=relu-softplus",
}
"""Labels of the paper's tables that are not methods with settings, and the variants they stand for."""

_SHARED = {
    *["task", "model", "method", "seed", "checkpoint_every", "log"],
    *["target", "kind", "valid", "valid_size", "eval_split", "context"],
}
"""Settings that a variant cannot have of its own: all methods share them, or they do not change the numbers."""

_TYPES = {name: declared for name, declared in TYPES.items() if name not in _SHARED}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Variant:
    """A method with settings of its own, written `adalfl outer_lr=1e-4`.

    Args:
        method: a name in `METHODS`.
        asked: the variant's own settings, by name.
    """

    method: str
    asked: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.method, *(f"{name}={value}" for name, value in self.asked.items())])


@dataclass(frozen=True)
class Line:
    """One line of a table: a label, and the variants behind it.

    Args:
        task, model: names.
        label: what the line is called.
        candidates: the variants to run; of several the one of least mean validation error is reported.
        published: the paper's figure, if it has one.
    """

    task: str
    model: str
    label: str
    candidates: tuple[Variant, ...]
    published: Spread | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Task, model and label."""
        return self.task, self.model, self.label


@dataclass(frozen=True)
class Experiment:
    """A variant on a task and model, run once for each seed.

    Args:
        folder: OUT/TASK-MODEL-METHOD, followed by the variant's own settings; the runs are `seed-S` inside.
        settings: of the runs; each run has a seed of its own.
        plain: the settings of the same method where nothing was asked for.
    """

    folder: Path
    settings: Settings
    plain: Settings

    @property
    def row(self) -> str:
        """TASK/MODEL."""
        return f"{self.settings.task}/{self.settings.model}"

    def run(self, seed: int) -> Path:
        """The run folder of a seed."""
        return self.folder / f"seed-{seed}"

    def divergence(self, seed: int) -> Path:
        """The file that a diverged seed leaves in place of a run folder."""
        return self.folder / f"diverged-{seed}.json"

    def scratch(self, seed: int | None) -> Path:
        """The folder in which a seed, or several seeds together (None), train until they are complete."""
        return self.folder / (".running" if seed is None else f".running-{seed}")


Planned = list[tuple[Line, list[Experiment]]]
"""The lines of a study, each with the experiments of its candidates."""


def parse_variant(text: str) -> Variant:
    """Reads `METHOD SETTING=VALUE ...`; settings are the flags of `lfl train`, with `-` or `_`.

    Raises:
        UserError: an unknown method or setting, or a value that the setting cannot have.

    Example:
        >>> parse_variant("ml3 inner-steps=5 offline_lr=1e-2")
        Variant(method='ml3', asked={'inner_steps': 5, 'offline_lr': 0.01})
    """
    method, *rest = text.split() or [""]
    one_of("method", method, list(METHODS))
    asked: dict[str, Any] = {}
    for part in rest:
        name, sign, value = part.partition("=")
        name = new_name(name.replace("-", "_"))
        if not sign:
            raise UserError(f"{text!r} is no method with settings: write it as 'adalfl outer_lr=1e-4'.")
        one_of(f"setting of {method}", name, list(_TYPES))
        asked[name] = _parse_value(name, value)
    return Variant(method, asked)


def candidates_of(label: str, rate: float) -> tuple[Variant, ...]:
    """Returns the variants behind a label: one, or those that `baseline-tuned` chooses from.

    Args:
        label: a method, a method with settings, `baseline-tuned`, or a label of the paper's tables.
        rate: the task's learning rate; the middle one of those that `baseline-tuned` chooses from.

    Raises:
        UserError: the label is none of these.
    """
    if label != TUNED:
        return (parse_variant(NAMED.get(label, label)),)
    rates = [float(f"{rate * factor:.3g}") for factor in TUNED_FACTORS]
    return tuple(Variant("baseline", {"inner_lr": rate, "schedule": "cosine"}) for rate in rates)


def make_experiment(
    out: Path, task: str, model: str, variant: Variant, defaults: Defaults, common: Mapping[str, Any]
) -> Experiment:
    """Returns the experiment of a variant. Settings that are equal to `common` do not enter its folder's name.

    Args:
        out: folder of the study.
        task, model, variant: what is run.
        defaults: of the task.
        common: settings of all experiments of the study; None stands for the task's default.

    Raises:
        UserError: a setting is out of range.
    """
    names: dict[str, Any] = {"task": task, "model": model, "method": variant.method}
    if "loss_from" in variant.asked:  # no run of `fixed` is without
        names["loss_from"] = variant.asked["loss_from"]
    shared = asdict(resolve(defaults, **names, **common)) | {"loss_from": None}
    settings = resolve(defaults, **{**names, **common, **variant.asked})
    own = [f"{name}={value}" for name, value in variant.asked.items() if shared[name] != value]
    stem = "-".join([Path(task).stem, model, variant.method, *sorted(own)])
    return Experiment(out / re.sub(r"[^\w.+=-]", "_", stem), settings, resolve(defaults, **names))


def _parse_value(name: str, text: str) -> Any:
    """Converts a value to its setting's type; the range is checked where the settings are made."""
    declared: Any = _TYPES[name]
    (kind,) = [t for t in get_args(declared) or (declared,) if t is not type(None)]
    if kind is bool and text in ("true", "false"):
        return text == "true"
    try:
        if kind is not bool:
            return kind(text)
    except ValueError:
        pass
    raise UserError(f"{name} must be {_WORDS[kind]}, got {text!r}.")
