"""The gradient of the validation loss with respect to phi, through steps of theta."""

from .adaptation import Adaptation, Adapted, Objective, adapt
from .bilevel import Bilevel, Hypergradient, InnerRun, forward, gradient
from .bilevel_gradient import BilevelRun, bilevel_gradient
from .forms import HYPERGRADIENTS, exact_forms, resolve
from .implicit import implicit
from .implicit_differentiation import implicit_differentiation
from .mixed_mode import Stages, finite_difference, mixed
from .unroll import unroll

__all__ = [
    "HYPERGRADIENTS",
    "Adaptation",
    "Adapted",
    "Bilevel",
    "BilevelRun",
    "Hypergradient",
    "InnerRun",
    "Objective",
    "Stages",
    "adapt",
    "bilevel_gradient",
    "exact_forms",
    "finite_difference",
    "forward",
    "gradient",
    "implicit",
    "implicit_differentiation",
    "mixed",
    "resolve",
    "unroll",
]
