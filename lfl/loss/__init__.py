"""Losses: learned and made by hand."""

from .handcrafted import cross_entropy, error_rate, squared_error
from .lift import LearnedLoss
from .network import loss_network

__all__ = ["LearnedLoss", "cross_entropy", "error_rate", "loss_network", "squared_error"]
