"""Loss function learning: a small network learns the loss while the model trains."""

from .api import Run, load_run, train
from .errors import Failure, LflError, NotDifferentiable, UserError, ZeroGradientWarning
from .export import AdaptiveLoss, load_loss
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
from .version import VERSION

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
    "Run",
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
    "load_run",
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
    "train",
    "true_class_loss",
    "vector_scaling",
    "weight_net",
]
