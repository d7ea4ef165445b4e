"""Which process works on what: locks that the system lets go of when a process ends, however it ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import UserError


def lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file or folder for as long as it is open.

    Args:
        descriptor: of the file or folder.
        shared: whether others may share the lock.
        wait: for those who hold it.

    Returns:
        Whether it is ours; where the system has no such locks it always is.

    Raises:
        OSError: the disk has no locks.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process.

    Raises:
        UserError: another process holds it.
    """
    with _opened(folder) as descriptor:
        if not lock(descriptor):
            raise UserError(f"another process is at work in {folder}; wait for it, or stop it.")
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold a folder when whoever holds it has let go: for the moment that a file in it is read and written anew."""
    with _opened(folder) as descriptor:
        with suppress(OSError):  # a disk without locks: as safe as before
            lock(descriptor, wait=True)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    if sys.platform == "win32":
        yield -1  # folders cannot be opened there, and `lock` looks at none
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
