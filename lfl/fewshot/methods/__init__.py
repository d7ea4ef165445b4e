"""Few-shot methods by name, each a function of a `FewShotProblem`."""

from collections.abc import Callable

from ..method import FewShotMethod
from .maml import maml
from .npbml import npbml

METHODS: dict[str, Callable[..., FewShotMethod]] = {"maml": maml, "npbml": npbml}
"""`METHODS[name](problem)`; options of a method are keyword arguments of its function."""

__all__ = ["METHODS"]
