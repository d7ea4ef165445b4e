"""Checks before data are read: that a path is a regular file, and that its content fits into memory."""

import os
import stat
from pathlib import Path

from ..errors import UserError, reason
from .quoting import shortened

COPIES = 4
"""Copies of the arrays that are in memory at once while they are split and scaled."""

ASSUMED_FREE = 8 * 2**30
"""Bytes assumed to be free where the system does not say."""


def regular_file(path: Path) -> int:
    """Returns the size of a regular file in bytes.

    Raises:
        UserError: there is no such file, or it is a folder, a pipe or a device.
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
    """Raises `UserError` if `needed` bytes are more than the free memory."""
    free = free_memory()
    if needed > free:
        raise UserError(f"{what} needs about {_size(needed)} of memory, and {_size(free)} are free; {advice}.")


def free_memory() -> int:
    """Returns the bytes of memory that the system has free and the control group allows."""
    return min([_free_in_system(), *_free_in_control_group()])


def _free_in_system() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:  # not Linux: half of all memory
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return ASSUMED_FREE


def _free_in_control_group() -> list[int]:
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cached = int(facts.get("inactive_file", 0))  # cached files, which are dropped when memory is needed
    except (OSError, ValueError):  # no control group, or one without a limit
        return []
    return [max(0, most - used + cached)]


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**8 else f"{count / 1e6:.1f} MB"
