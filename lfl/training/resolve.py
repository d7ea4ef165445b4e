"""What was asked for, and the method's and the task's defaults for the rest: the settings of a run."""

from typing import Any

from ..errors import one_of
from ..loss import BASES, HANDCRAFTED
from ..method import METHODS
from ..task import Defaults
from .settings import TYPES, Settings, check_setting, uses_base

LEAST_META_STEPS = 300
"""Steps that a loss takes at least, where it is not said how rarely: in a short training it learns more often."""

DEFAULT_TASK, DEFAULT_MODEL, DEFAULT_METHOD = "digits", "mlp", "adalfl"


def resolve(
    defaults: Defaults,
    *,
    task: str = DEFAULT_TASK,
    model: str = DEFAULT_MODEL,
    method: str = DEFAULT_METHOD,
    seed: int = 0,
    **asked: Any,
) -> Settings:
    """Fill what was not asked for (None) from the method's and the task's defaults.

    Args:
        defaults: of the task.
        task, model, method, seed: as in `Settings`.
        asked: other fields of `Settings`; None stands for the default: the method's, where it has one, else the task's.

    Returns:
        The settings of the run.

    Raises:
        UserError: a setting is out of range.
    """
    asked = {name: value for name, value in asked.items() if value is not None}
    for name, value in asked.items():
        if name in TYPES:
            check_setting(name, value)
        if type(value) is int and TYPES.get(name) in (float, float | None):
            asked[name] = float(value)
    steps = asked.get("steps", defaults.steps)
    horizon = asked.get("horizon", 1)
    one_of("method", method, list(METHODS))
    values = {
        "target": None,
        "kind": None,
        "valid": None,
        "valid_size": None,
        "eval_split": False,
        "label_noise": None,
        "outliers": None,
        "imbalance": None,
        "loss": "network" if METHODS[method].learns_loss else defaults.loss,
        "loss_from": None,
        "theta_init": "architecture" if ":" in model else defaults.theta_init,
        "inner": "sgd",
        "momentum": defaults.momentum,
        "nesterov": defaults.nesterov,
        "weight_decay": defaults.weight_decay,
        "clip_norm": None,
        "schedule": "constant",
        "outer_schedule": "constant",
        "meta_objective": "valid",
        "objective": None,
        "steps": steps,
        "offline_steps": defaults.offline_steps,
        "inner_steps": 1,
        "batch_size": defaults.batch_size,
        "inner_lr": defaults.inner_lr,
        "offline_lr": defaults.offline_lr,
        "outer_lr": defaults.outer_lr,
        "offline_objective": "train",
        "restart_every": defaults.restart_every,
        "redraw_theta": True,
        "hypergradient": "auto",
        "horizon": horizon,
        "meta_every": horizon,
        "meta_batch_size": None,
        "compile": "auto",
        "precision": "float32",
        "log_every": max(1, steps // 200),
        "eval_every": max(1, steps // 50),
        "keep": "last",
        "checkpoint_every": max(100, steps // 20),
        "log": "none",
    }
    own = METHODS[method].defaults
    values |= own
    if asked.get("inner", "sgd") != "sgd":  # the momentum of tasks and methods is of sgd
        values |= {"momentum": 0.0, "nesterov": False}
    if "meta_every" not in asked:  # the nearest multiple
        rarely = min(values["meta_every"], steps // LEAST_META_STEPS)
        values["meta_every"] = horizon * max(1, round(rarely / horizon))
    values |= asked
    if "meta_every" in own and "outer_lr" not in asked:  # fewer steps of phi are as many times longer
        values["outer_lr"] = own["outer_lr"] * values["meta_every"] / own["meta_every"]
    kind = next(kind for kind, known in HANDCRAFTED.items() if defaults.loss in known)
    values.setdefault("base", BASES[kind] if uses_base(method, values["loss"]) else None)
    return Settings(task=task, model=model, method=method, seed=seed, **values)
