"""Pictures of runs."""

from .losses import draw_losses

__all__ = ["draw_losses"]
