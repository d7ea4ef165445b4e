"""Loss function learning: a small network learns the loss while the model trains.

A name is imported when it is first used, so that `import lfl` is quick and needs no package that only some names need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import VERSION

if TYPE_CHECKING:
    from .errors import Failure, LflError, NotDifferentiable, UserError, ZeroGradientWarning
    from .handover import AdaptiveLoss, load_loss
    from .hypergradient import implicit
    from .loss import (
        ExampleLoss,
        LearnedLoss,
        absolute_cross_entropy,
        absolute_error,
        balanced_cross_entropy,
        brier,
        cross_entropy,
        error_rate,
        focal,
        generalised_cross_entropy,
        huber,
        label_smoothing,
        loss_network,
        residual_loss,
        soft_f1,
        sparse_label_smoothing,
        squared_error,
        taylor_loss,
        true_class_loss,
        vector_scaling,
        weight_net,
    )
    from .model import draw_masks, functional, mask_specs
    from .optimiser import Optimiser, adam, adamw, clip, sgd
    from .step import Carry, Info, base_step, fresh_carry, meta_step, offline_step
    from .task import Task, task_from_arrays

__version__ = VERSION

__all__ = [
    "AdaptiveLoss",
    "Carry",
    "ExampleLoss",
    "Failure",
    "Info",
    "LearnedLoss",
    "LflError",
    "NotDifferentiable",
    "Optimiser",
    "Task",
    "UserError",
    "ZeroGradientWarning",
    "absolute_cross_entropy",
    "absolute_error",
    "adam",
    "adamw",
    "balanced_cross_entropy",
    "base_step",
    "brier",
    "clip",
    "cross_entropy",
    "draw_masks",
    "error_rate",
    "focal",
    "fresh_carry",
    "functional",
    "generalised_cross_entropy",
    "huber",
    "implicit",
    "label_smoothing",
    "load_loss",
    "loss_network",
    "mask_specs",
    "meta_step",
    "offline_step",
    "residual_loss",
    "sgd",
    "soft_f1",
    "sparse_label_smoothing",
    "squared_error",
    "task_from_arrays",
    "taylor_loss",
    "true_class_loss",
    "vector_scaling",
    "weight_net",
]

_PACKAGES = ("errors", "optimiser", "loss", "model", "hypergradient", "step", "task", "handover")
"""Where the names are, those that need least first."""


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name in __all__:
        for package in _PACKAGES:
            found = vars(import_module(f".{package}", __name__)).get(name)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
