"""Optimisers as pairs of pure functions: SGD, Adam, AdamW, RMSprop, Lion, Muon; gradient clipping."""

from .adam import AdamState, adam, adamw
from .clip import clip
from .lion import lion
from .muon import muon
from .optimiser import Optimiser, UpdateFn
from .rmsprop import rmsprop
from .sgd import sgd

__all__ = ["AdamState", "Optimiser", "UpdateFn", "adam", "adamw", "clip", "lion", "muon", "rmsprop", "sgd"]
