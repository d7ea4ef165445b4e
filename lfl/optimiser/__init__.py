"""Optimisers as pairs of pure functions: SGD, Adam, AdamW, gradient clipping."""

from .adam import AdamState, adam, adamw
from .clip import clip
from .optimiser import Optimiser, UpdateFn
from .sgd import sgd

__all__ = ["AdamState", "Optimiser", "UpdateFn", "adam", "adamw", "clip", "sgd"]
