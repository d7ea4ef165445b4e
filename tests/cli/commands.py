"""`lfl` in processes of its own."""

import os
import pty
import re
import sys
from collections.abc import Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from ..processes import start, status_of

COMMAND = [sys.executable, "-c", "from lfl_cli.app import main; main()"]
FORKED = """
import resource
from lfl_cli.app import main

os.environ.update(environment)
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
sys.argv = ["lfl", *arguments]
main()
"""


class Command(NamedTuple):
    """A command at work, and the files that it writes to."""

    process: BaseProcess
    stdout: Path
    stderr: Path

    def wait(self) -> tuple[int, str, str]:
        """Status, standard output and error, once it has ended."""
        return status_of(self.process), self.stdout.read_text(), self.stderr.read_text()


def forked(
    arguments: Sequence[str], stdout: Path, stderr: Path, *, largest: int = 0, **environment: str
) -> BaseProcess:
    """`lfl` that writes to two paths; under a real limit on the size of files, in bytes, if any."""
    names = {"arguments": arguments, "environment": environment, "largest": largest}
    return start(FORKED, stdout=stdout, stderr=stderr, **names)


def begin(folder: Path, *arguments: str, largest: int = 0) -> Command:
    """`lfl` with its output in files beside a folder."""
    stdout, stderr = (folder.with_name(f"{folder.name}-{stream}") for stream in ("stdout", "stderr"))
    return Command(forked(arguments, stdout, stderr, largest=largest), stdout, stderr)


def on_a_terminal(arguments: list[str], columns: int) -> tuple[int, str]:
    """Status, and all that was shown on a terminal of so many columns, without its control sequences."""
    parent, child = pty.openpty()
    terminal = Path(os.ttyname(child))
    process = forked(arguments, terminal, terminal, TERM="xterm", COLUMNS=str(columns), LINES="30")
    shown = b""
    while ready := wait([parent, process.sentinel]):
        if parent not in ready:
            break
        shown += os.read(parent, 4096)
    os.close(child)
    os.close(parent)
    return status_of(process), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
