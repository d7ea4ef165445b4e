"""How the gradient of the validation loss reaches phi."""

from collections.abc import Callable
from typing import Any

from .mixed import mixed
from .unroll import Lookahead, forward, unroll

HYPERGRADIENTS: dict[str, Callable[..., tuple[Any, Lookahead]]] = {"unroll": unroll, "mixed": mixed}

__all__ = ["HYPERGRADIENTS", "Lookahead", "forward", "mixed", "unroll"]
