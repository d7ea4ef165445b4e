"""Default settings of each named task. Needs neither its data nor torch."""

from dataclasses import replace

from ..catalogue import TASKS, colour_images
from ..entry import Defaults

DEFAULTS = {name: entry.defaults for name, entry in TASKS.items()}

PAD = 4
"""Pixels around a colour image from which crops are cut."""


def for_regression(settings: Defaults) -> Defaults:
    """Returns the same settings for real values, as every named task with real values has them."""
    like = DEFAULTS["diabetes"]
    return replace(settings, inner_lr=like.inner_lr, loss=like.loss, restart_every=like.restart_every)


__all__ = ["DEFAULTS", "PAD", "Defaults", "colour_images", "for_regression"]
