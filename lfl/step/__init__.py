"""Single training steps as pure functions: `meta_step`, `offline_step`, `base_step`, and the gradient of phi."""

from .base import base_step
from .carry import Carry, Info, fresh_carry
from .guard import warn_of_zero_gradient
from .meta import meta_step, phi_gradient
from .offline import offline_step
from .ranks import Ranks

__all__ = [
    "Carry",
    "Info",
    "Ranks",
    "base_step",
    "fresh_carry",
    "meta_step",
    "offline_step",
    "phi_gradient",
    "warn_of_zero_gradient",
]
