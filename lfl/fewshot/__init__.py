"""Few-shot learning: episodes, methods that learn to adapt, their training."""

from .episode import Episode, Episodes
from .method import FewShotMethod

__all__ = ["Episode", "Episodes", "FewShotMethod"]
