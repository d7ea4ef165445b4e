"""Losses: learned and made by hand."""

from .classes import IGNORE_INDEX, check_class_ids, class_logits
from .handcrafted import (
    HANDCRAFTED,
    absolute_cross_entropy,
    absolute_error,
    cross_entropy,
    error_rate,
    focal,
    huber,
    label_smoothing,
    sparse_label_smoothing,
    squared_error,
)
from .lift import LearnedLoss
from .network import loss_network
from .objectives import OBJECTIVES, balanced_cross_entropy, brier, soft_f1
from .representations import REPRESENTATIONS
from .taylor import taylor_loss

__all__ = [
    "HANDCRAFTED",
    "IGNORE_INDEX",
    "OBJECTIVES",
    "REPRESENTATIONS",
    "LearnedLoss",
    "absolute_cross_entropy",
    "absolute_error",
    "balanced_cross_entropy",
    "brier",
    "check_class_ids",
    "class_logits",
    "cross_entropy",
    "error_rate",
    "focal",
    "huber",
    "label_smoothing",
    "loss_network",
    "soft_f1",
    "sparse_label_smoothing",
    "squared_error",
    "taylor_loss",
]
