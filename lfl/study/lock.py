"""Which process works on what: locks that the system lets go of when a process dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Failure


@contextmanager
def claim(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Lock a file, if nobody else has; the file stays behind, empty.

    Args:
        path: the file, made where it is not there; its folder is.
        shared: whether others may share the lock.

    Yields:
        Whether it is ours.

    Raises:
        Failure: the disk has no locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            raise Failure(f"cannot lock {path} ({error.strerror}); choose an --out on another disk.") from error
        yield True
    finally:
        os.close(file)


def is_claimed(path: Path) -> bool:
    """Whether a process holds a lock for itself."""
    if not path.exists():
        return False
    with claim(path, shared=True) as free:
        return not free
