"""How the gradient of the validation loss reaches phi."""

from .unroll import Lookahead, forward, unroll

__all__ = ["Lookahead", "forward", "unroll"]
