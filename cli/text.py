"""What is printed: safe for a terminal whatever names files hold, and silent once nobody reads it."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.text import Text


def say(line: str, *, error: bool = False) -> None:
    """Print a line, with what a terminal would obey shown as its code.

    Where the reader has gone (`lfl train | head -1`), nothing is printed any more, and what runs goes on.
    """
    from lfl.text import printable

    put(printable(line), error=error)


def put(line: str, *, error: bool = False) -> None:
    """Print a line of one's own words."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Have nothing more written to a stream whose reader has gone, also not when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def cell(text: str) -> "Text":
    """Text for rich, which would take brackets for its own marks."""
    from rich.text import Text

    from lfl.text import printable

    return Text(printable(text))


def forgive_letters() -> None:
    """Show a letter that the terminal's encoding lacks as a question mark rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
