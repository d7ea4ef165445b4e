"""Single steps, pure functions of everything they need."""

from .base import base_step
from .carry import Carry, Info, fresh_carry
from .meta import meta_step
from .offline import offline_step
from .zero_gradient import warn_of_zero_gradient

__all__ = ["Carry", "Info", "base_step", "fresh_carry", "meta_step", "offline_step", "warn_of_zero_gradient"]
