"""Single steps, pure functions of everything they need."""

from .base import base_step
from .carry import Carry, Info, fresh_carry
from .meta import meta_step
from .offline import offline_step

__all__ = ["Carry", "Info", "base_step", "fresh_carry", "meta_step", "offline_step"]
