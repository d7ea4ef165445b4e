"""Which process works on which part of a study: a lock file each."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..run.folder import explained, lock


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
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with explained(f"lock {path}", "choose an --out on another disk"):
            ours = lock(file, shared=shared)
        yield ours
    finally:
        os.close(file)


def is_claimed(path: Path) -> bool:
    """Whether a process holds a lock for itself."""
    if not path.exists():
        return False
    with claim(path, shared=True) as free:
        return not free
