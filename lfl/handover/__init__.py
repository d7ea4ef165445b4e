"""Learned losses for other people's training code."""

from .adaptive import AdaptiveLoss
from .fixed import FixedLoss, load_loss
from .schedule import Schedule

__all__ = ["AdaptiveLoss", "FixedLoss", "Schedule", "load_loss"]
