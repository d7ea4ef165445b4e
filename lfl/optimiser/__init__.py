"""Optimisers as pairs of pure functions."""

from .adam import AdamState, adam, adamw
from .optimiser import Optimiser
from .sgd import sgd

__all__ = ["AdamState", "Optimiser", "adam", "adamw", "sgd"]
