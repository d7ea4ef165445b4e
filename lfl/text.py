"""Names that come from files, made safe for where they are shown. HTML is the template's affair, which escapes all."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell of a spreadsheet begins with that is computed rather than shown."""

MARK = "'"
"""What makes a spreadsheet show a cell as it is."""


def printable(text: str) -> str:
    r"""Text for a terminal: what moves its cursor, hides or turns text, or cannot be encoded is shown as its code.

    Example:
        >>> print(printable("a\x1b[31mb\u202ec"))
        a\x1b[31mb\u202ec
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def for_picture(text: str) -> str:
    r"""Text for matplotlib, which takes what stands between two dollars for a formula.

    Example:
        >>> print(for_picture("a$_$b"))
        a\$_\$b
    """
    return printable(text).replace("$", r"\$")


def to_cell(text: str) -> str:
    """Text for a cell of a CSV file, so that a spreadsheet computes nothing; numbers stay as they are.

    Example:
        >>> to_cell("=1+1"), to_cell("-1.5"), to_cell("a=b")
        ("'=1+1", '-1.5', 'a=b')
    """
    return MARK + text if _computed(text) else text


def from_cell(cell: str) -> str:
    """The text that `to_cell` was given."""
    return cell[1:] if cell.startswith(MARK) and _computed(cell) else cell


def _computed(text: str) -> bool:
    if not text.lstrip(MARK).startswith(FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
