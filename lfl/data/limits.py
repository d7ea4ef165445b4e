"""What is looked at before data are read: that a path is a regular file, and that what it holds fits into memory."""

import os
import stat
from pathlib import Path

from ..errors import UserError, reason
from .quoting import shortened

COPIES = 4
"""Of the arrays, in memory at once while they are split and scaled."""

WITHOUT_MEASURE = 8 * 2**30
"""Bytes taken for free where the system says nothing."""


def regular_file(path: Path) -> int:
    """The size of a file in bytes.

    Raises:
        UserError: there is none, or it is a folder, a pipe or a device.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # a ValueError for a path with a zero byte
        words = getattr(error, "strerror", None) or reason(error)
        raise UserError(f"cannot read {shortened(str(path), 300)} ({words}); give the path of a file.") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise UserError(f"cannot read {path}: it is {kind}; give the path of a file.")
    return found.st_size


def check_memory(needed: int, what: str, advice: str) -> None:
    """Raise `UserError` where `needed` bytes are more than the memory that is free."""
    free = free_memory()
    if needed > free:
        raise UserError(f"{what} needs about {_size(needed)} of memory, and {_size(free)} are free; {advice}.")


def free_memory() -> int:
    """Bytes that can be had: what the system has free, and no more than the control group leaves."""
    return min([_of_the_system(), *_of_the_control_group()])


def _of_the_system() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:  # not Linux: half of what is built in
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return WITHOUT_MEASURE


def _of_the_control_group() -> list[int]:
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cached = int(facts.get("inactive_file", 0))  # of files, given back where memory is wanted
    except (OSError, ValueError):  # no control group, or one without a limit
        return []
    return [max(0, most - used + cached)]


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**8 else f"{count / 1e6:.1f} MB"
