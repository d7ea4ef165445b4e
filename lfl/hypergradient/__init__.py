"""The gradient of the validation loss with respect to phi, through steps of theta."""

from .bilevel import Bilevel, Hypergradient, InnerRun, forward, gradient
from .forms import HYPERGRADIENTS, exact_forms, resolve
from .implicit import implicit
from .mixed_mode import Stages, finite_difference, mixed
from .unroll import unroll

__all__ = [
    "HYPERGRADIENTS",
    "Bilevel",
    "Hypergradient",
    "InnerRun",
    "Stages",
    "exact_forms",
    "finite_difference",
    "forward",
    "gradient",
    "implicit",
    "mixed",
    "resolve",
    "unroll",
]
