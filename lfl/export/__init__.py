"""Learned losses for other people's training code: as modules of PyTorch, as programs, as formulas."""

from .adaptive_loss import AdaptiveLoss, Schedule
from .fixed_loss import FixedLoss, load_loss
from .programs import export_loss

__all__ = ["AdaptiveLoss", "FixedLoss", "Schedule", "export_loss", "load_loss"]
