"""Optimisers as pairs of pure functions."""

from .adam import AdamState, adam, adamw
from .clip import clip
from .optimiser import Optimiser
from .sgd import sgd

__all__ = ["AdamState", "Optimiser", "adam", "adamw", "clip", "sgd"]
