"""Text from files, shortened and quoted for error messages: printable, and on one line."""

from collections.abc import Iterable

LONGEST = 60
MOST_NAMES = 20


def shortened(text: str, longest: int = LONGEST) -> str:
    r"""Cuts text that is longer than `longest`, and escapes what cannot be printed.

    Example:
        >>> shortened("a\nb")
        'a\\nb'
    """
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")


def quoted(value: object) -> str:
    """Shortens a value, in quotes if it is text."""
    return f"'{shortened(value)}'" if isinstance(value, str) else shortened(repr(value))


def listed(names: Iterable[str]) -> str:
    """Joins names by commas; of more than twenty the first twenty."""
    known = list(names)
    return ", ".join(map(shortened, known[:MOST_NAMES])) + (", ..." if len(known) > MOST_NAMES else "")
