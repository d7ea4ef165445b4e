"""`lfl` in processes of its own."""

import os
import pty
import re
import subprocess
import sys

COMMAND = [sys.executable, "-c", "from lfl_cli.app import main; main()"]


def on_a_terminal(arguments: list[str], columns: int) -> tuple[int, str]:
    """Status, and all that was shown on a terminal of so many columns, without its control sequences."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": "30"},
    )
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:  # the other side has closed
            break
        if not piece:
            break
        shown += piece
    return process.wait(timeout=60), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def with_small_files(largest: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Under a real limit on the size of files, in bytes."""
    limited = (
        "import resource, sys; from lfl_cli.app import main; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest})); sys.argv[0] = 'lfl'; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", limited, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
