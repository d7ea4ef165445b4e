"""`lfl.Learner`: trains a module in a loop of its user's own, while its loss is learned."""

from .learner import Learner

__all__ = ["Learner"]
