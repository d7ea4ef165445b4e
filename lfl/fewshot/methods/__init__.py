"""Few-shot methods by name, each a function of a `FewShotProblem`."""

from collections.abc import Callable

from ..method import FewShotMethod
from .maml import maml

METHODS: dict[str, Callable[..., FewShotMethod]] = {"maml": maml}
"""`METHODS[name](problem)`; options of a method are keyword arguments of its function."""

__all__ = ["METHODS"]
