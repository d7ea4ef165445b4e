"""Prints lines that are safe for a terminal whatever names they hold, and stays silent once nobody reads them."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.text import Text


def say(line: str, *, error: bool = False) -> None:
    """Prints a line; control characters are printed as their code (`\\x1b`).

    Where the reader has gone (`lfl train | head -1`), nothing is printed any more, and the command continues.
    """
    from lfl.text import printable

    put(printable(line), error=error)


def put(line: str, *, error: bool = False) -> None:
    """Prints a line as it is."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Discards all further output to a stream whose reader has gone, also when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def cell(text: str) -> "Text":
    """Returns text for rich, which would take brackets for markup."""
    from rich.text import Text

    from lfl.text import printable

    return Text(printable(text))


def replace_unencodable() -> None:
    """Prints a question mark for a letter that the terminal's encoding lacks, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
