"""What the tests of formulas share."""

from .published import published

__all__ = ["published"]
