"""Every setting of a run, and what each may be."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any

from ..errors import UserError, one_of
from ..hypergradient import HYPERGRADIENTS
from ..loss import FROM_BASE
from ..method import METHODS, train_only
from ..task.spoil import LABEL_NOISE, OUTLIERS, parse_spoiler

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    "step": lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
}
"""The factor on theta's rate when a share of the steps is done."""

AS_THE_MODEL = "model"
"""The schedule of phi's rate that is theta's."""

WORDS = {int: "a whole number", float: "a finite number", str: "a word", bool: "true or false"}

LEAST = dict.fromkeys(["seed", "offline_steps", "restart_every", "checkpoint_every"], 0) | dict.fromkeys(
    [
        *["steps", "inner_steps", "batch_size", "horizon", "meta_every", "meta_batch_size", "valid_size"],
        *["log_every", "eval_every"],
    ],
    1,
)
"""The least that a count may be."""

MOST_COUNT, MOST_RATE = 2**63 - 1, 3.4e38
"""What fits 64 bits, and what is finite in single precision."""

MOST_SHOWN = 60
"""Letters of a value that an error shows."""

CHOICES = {
    "offline_objective": ["train", "valid"],
    "meta_objective": ["train", "valid"],
    "theta_init": ["xavier", "architecture"],
    "inner": ["sgd", "adam", "adamw"],
    "schedule": list(SCHEDULES),
    "outer_schedule": [*SCHEDULES, AS_THE_MODEL],
    "hypergradient": ["auto", *HYPERGRADIENTS],
    "compile": ["auto", "on", "off"],
    "keep": ["last", "best"],
    "log": ["none", "tensorboard"],
    "precision": ["float32", "tf32", "bfloat16"],
}
"""What a setting may be."""

SPOILERS = {"label_noise": list(LABEL_NOISE), "outliers": list(OUTLIERS)}
"""Settings that name one of these and a share of the rows."""


@dataclass(frozen=True)
class Settings:
    """What determines a run, beside its data.

    Args:
        task, model, method: names.
        seed: of theta_0, phi_0, batches and dropout masks.
        steps, offline_steps, inner_steps: S_train, S_init, S_inner.
        batch_size: examples a batch, in train and valid batches alike.
        inner_lr, offline_lr, outer_lr: alpha, and the offline and online eta.
        target, kind: of a user's own data: the column of a table to be predicted, and `"classification"` or
            `"regression"`; None where they are inferred or not needed.
        valid: the path of clean data of the user's own; None where they are split off train, or in the task's own file.
        valid_size: how many examples are split off train as clean data; None for 10 %.
        eval_split: whether a fourth split is held out of train and looked at like `valid`.
        label_noise, outliers, imbalance: how train is spoiled, as in `lfl.task.spoil`; None for not at all.
        loss: what is learned as a loss (a representation), or the handcrafted one that the model trains on; or a user's
            own, `"module:function"`.
        base: the handcrafted loss that a learned one starts from, or a user's own, `"module:function"`; None where
            what is learned has none.
        loss_from: a run folder; its loss is what the method `fixed` trains on.
        theta_init: how theta_0 is drawn: `"xavier"`, or as the `"architecture"` does by itself.
        inner, momentum, nesterov, weight_decay: theta's optimiser, `"sgd"`, `"adam"` or `"adamw"`, and its settings.
        clip_norm: the greatest norm of theta's gradient; None for any.
        schedule: of theta's rate over the steps: `"constant"`, `"cosine"` (to zero) or `"step"` (a tenth from half
            of the steps on, a hundredth from three quarters on).
        outer_schedule: of the online rate of phi: one of the same, or `"model"` for theta's own.
        offline_objective: whether offline steps judge the loss or the rate on their own `"train"` batch, as ML3 does,
            or on a `"valid"` batch.
        meta_objective: the same of online steps.
        objective: the loss by which both judge, a name in `lfl.loss.OBJECTIVES` or a user's own `"module:function"`;
            None for the task's own loss.
        restart_every: offline steps between two starts of the model, 0 for one start; where it does not start anew, a
            step goes on from the one before it.
        redraw_theta: whether the model starts anew from another theta_0 each time.
        hypergradient: how the gradient of phi is computed, as in `lfl.meta_step`.
        horizon: steps of theta that an online step of phi is differentiated through.
        meta_every: steps of theta for each online step of phi; a multiple of `horizon`.
        meta_batch_size: examples of a batch that the gradient of phi is taken over; None for all.
        compile: `"on"`, `"off"`, or `"auto"`: where it pays.
        precision: `"float32"`, `"tf32"` (matrix products and convolutions on an NVIDIA GPU round their inputs to
            10 bits) or `"bfloat16"` (they are computed in 8 bits).
        log_every, eval_every: steps between two lines of metrics, and two looks at the validation error.
        keep: the model that a run leaves: its `"last"`, or that of its `"best"` look at the validation error (at the
            objective on the validation split, where there is an objective).
        checkpoint_every: steps between two checkpoints; 0 for none but where a run is told to stop.
        log: what else metrics are written for: `"none"` or `"tensorboard"`.
    """

    task: str
    model: str
    method: str
    seed: int
    steps: int
    offline_steps: int
    inner_steps: int
    batch_size: int
    inner_lr: float
    offline_lr: float
    outer_lr: float
    target: str | None
    kind: str | None
    valid: str | None
    valid_size: int | None
    eval_split: bool
    label_noise: str | None
    outliers: str | None
    imbalance: float | None
    loss: str
    base: str | None
    loss_from: str | None
    theta_init: str
    inner: str
    momentum: float
    nesterov: bool
    weight_decay: float
    clip_norm: float | None
    schedule: str
    outer_schedule: str
    offline_objective: str
    meta_objective: str
    objective: str | None
    restart_every: int
    redraw_theta: bool
    hypergradient: str
    horizon: int
    meta_every: int
    meta_batch_size: int | None
    compile: str
    precision: str
    log_every: int
    eval_every: int
    keep: str
    checkpoint_every: int
    log: str

    def __post_init__(self) -> None:
        for field in fields(self):
            check_setting(field.name, getattr(self, field.name))
        if self.meta_every % self.horizon or self.steps % self.horizon:
            raise UserError(
                f"--steps and --meta-every must be multiples of --horizon, but got {self.steps}, {self.meta_every} "
                f"and {self.horizon}."
            )
        if self.inner != "sgd" and (self.momentum or self.nesterov):
            raise UserError(f"--momentum and --nesterov are sgd's, but --optimizer is {self.inner}; leave them out.")
        if self.base is not None and not uses_base(self.method, self.loss):
            raise UserError(
                f"--base {self.base} is for a learned loss that starts from it ({', '.join(FROM_BASE)}), but method "
                f"{self.method} has the loss {self.loss}; leave --base out, or choose another --loss."
            )
        if (self.method == "fixed") != (self.loss_from is not None):
            raise UserError(f"--loss-from RUN belongs to --method fixed, but the method is {self.method}; give both.")
        if self.objective is not None and self.keep == "last" and METHODS[self.method].phases is train_only:
            raise UserError(
                f"--objective {_short(self.objective)} judges what is learned beside the model, but --method "
                f"{self.method} learns nothing; leave it out, or keep the model that is best by it with --keep best."
            )


def uses_base(method: str, loss: str) -> bool:
    """Whether what a method learns starts from a handcrafted loss."""
    return METHODS[method].learns_loss and loss in FROM_BASE


def schedule_factor(settings: Settings, step: int) -> float:
    """What theta's rate is multiplied by at a step."""
    return SCHEDULES[settings.schedule](step / settings.steps)


def outer_schedule_factor(settings: Settings, step: int) -> float:
    """What the online rate of phi is multiplied by at a step."""
    chosen = settings.outer_schedule
    return SCHEDULES[settings.schedule if chosen == AS_THE_MODEL else chosen](step / settings.steps)


def check_setting(name: str, value: Any) -> None:
    """Raise `UserError` unless a setting is of its type and in its range, whatever the others are."""
    check_type(name, TYPES[name], value)
    if value is None:
        return
    if isinstance(value, str):
        check_text(name, value)
    elif type(value) is bool:
        return
    elif TYPES[name] in (int, int | None):
        least = LEAST[name]
        if not least <= value <= MOST_COUNT:
            raise UserError(f"{_flag(name)} must be a whole number of at least {least}, but got {_short(value)}.")
    elif not 0.0 <= value <= MOST_RATE:
        raise UserError(f"{_flag(name)} must be a finite number of at least 0, but got {_short(value)}.")
    if name in CHOICES:
        one_of(_flag(name), value, CHOICES[name])
    elif name in SPOILERS:
        parse_spoiler(_flag(name), value, SPOILERS[name])
    elif name == "method":
        one_of("method", value, list(METHODS))


def check_text(name: str, value: str) -> None:
    """Raise `UserError` unless a name can be written, and can be a path."""
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise UserError(f"{_flag(name)} must be text, but got {value!a}.")


def check_type(name: str, wanted: Any, value: Any) -> None:
    """Raise `UserError` unless a setting is of its type; a whole number is a number too."""
    types = wanted.__args__ if isinstance(wanted, UnionType) else (wanted,)
    whole = type(value) is int and float in types
    if not whole and object not in types and type(value) not in types:
        words = " or ".join(WORDS[one] for one in types if one is not type(None))
        raise UserError(f"{_flag(name)} must be {words}, but got {_short(value)}.")


def _short(value: Any) -> str:
    """A value in an error: some are long."""
    if type(value) is int and abs(value) > MOST_COUNT:
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


TYPES: dict[str, Any] = {field.name: field.type for field in fields(Settings)}
