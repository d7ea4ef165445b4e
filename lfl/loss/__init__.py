"""Losses: learned and made by hand."""

from .classes import IGNORE_INDEX, check_class_ids, class_logits
from .handcrafted import (
    HANDCRAFTED,
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
from .lift import LearnedLoss
from .network import loss_network
from .representations import REPRESENTATIONS
from .taylor import taylor_loss

__all__ = [
    "HANDCRAFTED",
    "IGNORE_INDEX",
    "REPRESENTATIONS",
    "LearnedLoss",
    "absolute_cross_entropy",
    "absolute_error",
    "check_class_ids",
    "class_logits",
    "cross_entropy",
    "error_rate",
    "focal",
    "generalised_cross_entropy",
    "huber",
    "label_smoothing",
    "loss_network",
    "sparse_label_smoothing",
    "squared_error",
    "taylor_loss",
]
