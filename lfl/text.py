"""Text from files, made safe for terminals, matplotlib and CSV cells. (HTML is escaped by its template.)"""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The characters with which a spreadsheet cell begins that is computed as a formula."""

MARK = "'"
"""The character before a cell that makes a spreadsheet show it as text."""


def printable(text: str) -> str:
    r"""Escapes text for a terminal: characters that move the cursor, hide or reverse text, or cannot be encoded.

    Example:
        >>> print(printable("a\x1b[31mb\u202ec"))
        a\x1b[31mb\u202ec
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def for_picture(text: str) -> str:
    r"""Escapes text for matplotlib, which reads text between two dollar signs as a formula.

    Example:
        >>> print(for_picture("a$_$b"))
        a\$_\$b
    """
    return printable(text).replace("$", r"\$")


def to_cell(text: str) -> str:
    """Escapes text for a cell of a CSV file, so that a spreadsheet computes nothing; numbers stay unchanged.

    Example:
        >>> to_cell("=1+1"), to_cell("-1.5"), to_cell("a=b")
        ("'=1+1", '-1.5', 'a=b')
    """
    return MARK + text if _computed(text) else text


def from_cell(cell: str) -> str:
    """The inverse of `to_cell`: the text that it was given."""
    return cell[1:] if cell.startswith(MARK) and _computed(cell) else cell


def _computed(text: str) -> bool:
    if not text.lstrip(MARK).startswith(FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
