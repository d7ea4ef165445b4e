"""Losses, learned and hand-made."""

from .base import HANDCRAFTED, OBJECTIVES, TASK_LOSSES, base_loss, objective_named
from .classes import IGNORE_INDEX, check_class_ids
from .handcrafted import (
    absolute_cross_entropy,
    absolute_error,
    cross_entropy,
    error_rate,
    focal,
    generalised_cross_entropy,
    huber,
    label_smoothing,
    sparse_label_smoothing,
    squared_error,
)
from .labels import binary_cross_entropy, each_label
from .learned_loss import AnyLearnedLoss, ExampleLoss, LearnedLoss
from .network import loss_network
from .objectives import balanced_cross_entropy, brier, soft_f1
from .representations import REPRESENTATIONS, draw_loss
from .residual import POINTWISE, residual_loss
from .rows import Layout, class_logits, in_layout
from .symbolic import formula_of, is_formula, symbolic_loss, symbolic_task_loss
from .taylor import taylor_loss
from .true_class import true_class_loss
from .vector_scaling import vector_scaling
from .weight_net import weight_net
from .weighted import Weighted

__all__ = [
    "HANDCRAFTED",
    "IGNORE_INDEX",
    "OBJECTIVES",
    "POINTWISE",
    "REPRESENTATIONS",
    "TASK_LOSSES",
    "AnyLearnedLoss",
    "ExampleLoss",
    "Layout",
    "LearnedLoss",
    "Weighted",
    "absolute_cross_entropy",
    "absolute_error",
    "balanced_cross_entropy",
    "base_loss",
    "binary_cross_entropy",
    "brier",
    "check_class_ids",
    "class_logits",
    "cross_entropy",
    "draw_loss",
    "each_label",
    "error_rate",
    "focal",
    "formula_of",
    "generalised_cross_entropy",
    "huber",
    "in_layout",
    "is_formula",
    "label_smoothing",
    "loss_network",
    "objective_named",
    "residual_loss",
    "soft_f1",
    "sparse_label_smoothing",
    "squared_error",
    "symbolic_loss",
    "symbolic_task_loss",
    "taylor_loss",
    "true_class_loss",
    "vector_scaling",
    "weight_net",
]
