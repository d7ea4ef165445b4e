"""Text out of files as errors show it: short, and on one line."""

from collections.abc import Iterable

LONGEST = 60
MOST_NAMES = 20


def shortened(text: str, longest: int = LONGEST) -> str:
    r"""The text, cut where it is longer than `longest`; what cannot be printed is escaped.

    Example:
        >>> shortened("a\nb")
        'a\\nb'
    """
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")


def quoted(value: object) -> str:
    """A value in quotes where it is text, cut where it is long."""
    return f"'{shortened(value)}'" if isinstance(value, str) else shortened(repr(value))


def listed(names: Iterable[str]) -> str:
    """Names behind one another, the first twenty of many."""
    known = list(names)
    return ", ".join(map(shortened, known[:MOST_NAMES])) + (", ..." if len(known) > MOST_NAMES else "")
