"""Processes forked from one that has imported torch already, which takes an interpreter of its own ten seconds."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["lfl_cli.app", "lfl.run", "lfl.report", "sklearn.datasets", "torch._dynamo"])

SILENT = Path("/dev/null")
PROLOGUE = """
import os, sys
for number, path in enumerate(outputs, start=1):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), number)
sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))
"""


def start(program: str, *, stdout: Path = SILENT, stderr: Path = SILENT, **names: Any) -> BaseProcess:
    """A process that runs a program with `names`, and writes to what lies at two paths: files, pipes or terminals."""
    process = CONTEXT.Process(target=exec, args=(PROLOGUE + program, {**names, "outputs": [str(stdout), str(stderr)]}))
    process.start()
    return process


def wait_until(seen: Callable[[], bool], process: BaseProcess, seconds: float = 60) -> None:
    """Until something is seen, the process has ended, or the time is up."""
    deadline = time.monotonic() + seconds
    while not seen() and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)


def status_of(process: BaseProcess, seconds: float = 120) -> int:
    """Its exit status once it has ended, a signal as a negative number; it is given so long."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"not ended after {seconds} s")
    return process.exitcode
