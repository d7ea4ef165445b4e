"""Makes and locks folders, and writes files that are either whole or not there."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from safetensors.torch import save

from ..errors import Failure, UserError
from ..types import Tensors


def create_folder(out: Path | None, stem: str) -> Path:
    """Makes a run folder that was not there before.

    Args:
        out: the folder itself; `runs/STEM-N`, N counting up, when omitted.
        stem: the beginning of its name, such as `"digits-mlp-adalfl"`.

    Returns:
        The new, empty folder.

    Raises:
        UserError: it exists, or lies beneath something that is not a folder.
        Failure: it cannot be made.
    """
    if out is not None:
        return _make(out)
    for n in count(1):
        folder = Path("runs") / f"{stem}-{n}"
        if not folder.exists():
            return _make(folder)
    raise AssertionError("counting never ends")


def _make(folder: Path) -> Path:
    with explained(f"make {folder}", "choose another --out"):
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise UserError(f"{folder} exists already; choose another --out, or remove it.") from error
        except NotADirectoryError as error:
            raise UserError(f"{folder} lies beneath a file that is not a folder; choose another --out.") from error
    return folder


def make_folder(folder: Path) -> None:
    """Makes a folder, with its parents, unless it is there.

    Raises:
        UserError: it is a file, or lies beneath one.
        Failure: it cannot be made.
    """
    with explained(f"make {folder}", "choose another --out"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise UserError(f"{folder} is a file, or lies beneath one; choose another --out.") from error


@contextmanager
def explained(what: str, remedy: str) -> Iterator[None]:
    """Turns an error of the system into a `Failure` that says what could not be done, and what to do next.

    Args:
        what: the action, such as `"write into runs/1"`.
        remedy: what to do next.

    Raises:
        Failure: the system raised an `OSError`.
    """
    try:
        yield
    except BrokenPipeError:  # nobody reads what is printed any more: no error of the disk
        raise
    except OSError as error:
        raise Failure(f"cannot {what} ({error.strerror or error}); {remedy}.") from error


def check_plain(folder: Path) -> None:
    """Refuses a folder that holds anything but plain files and folders, before it is read or written.

    The folder's own path may be a link, since the user named it; its content may be somebody else's.

    Raises:
        UserError: a symbolic link lies inside, which would lead out of the folder, or a pipe, a device or a socket.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as inside:
        for entry in inside:
            if entry.is_symlink():
                raise UserError(f"{entry.path} is a symbolic link; a run folder holds its files itself. Remove it.")
            if entry.is_dir(follow_symlinks=False):
                check_plain(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                raise UserError(f"{entry.path} is not a plain file, and does not belong into a run folder. Remove it.")


def write_output(path: Path, content: bytes) -> None:
    """Writes a file that the user named; where the name is a symbolic link, the file that it points to.

    Raises:
        UserError: the name is taken by something that is not a plain file.
    """
    write_bytes(path.resolve(), content)


def write_named(path: Path, content: bytes) -> None:
    """Writes a file that the user named, as `write_output` does, and makes its folder.

    Raises:
        UserError: there can be no file of that name.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, content)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"cannot write {path} ({error.strerror}); choose another name.") from error


def check_named(path: Path) -> None:
    """Refuses, before any work, a name that `write_named` cannot write.

    Raises:
        UserError: as `write_named`.
    """
    check_output(path)
    if path.is_dir():
        raise UserError(f"cannot write {path} (it is a folder); choose another name.")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise UserError(f"cannot write {path} ({above.name} is not a folder); choose another name.")


def check_output(path: Path) -> None:
    """Refuses, before any work, a name whose file cannot be replaced.

    Raises:
        UserError: as `write_output`.
    """
    _refuse_odd(path.resolve())


def _refuse_odd(path: Path) -> None:
    """Refuses to replace anything but a plain file: a device, a pipe or a link would be lost."""
    try:
        mode = path.lstat().st_mode
    except OSError:  # nothing is there, or writing it will show what is wrong
        return
    if stat.S_ISLNK(mode):
        raise UserError(f"{path} is a symbolic link, which is not written over; remove it.")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # the system refuses a folder
        raise UserError(f"{path} is not a plain file, and is not written over; choose another name.")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file under another name, flushes it to the disk, then renames it: it is whole or not there.

    Raises:
        UserError: the name is taken by something that is not a plain file.
    """
    _refuse_odd(path)
    scratch = path.with_name(f".{path.name}.{token_hex(4)}.partial")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def clear_partial(folder: Path) -> None:
    """Removes half-written files of processes that were killed; no process may be writing into the folder."""
    for partial in folder.glob(".*.partial"):
        partial.unlink()


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, indented."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Writes a safetensors file: names, shapes and values, nothing that could run."""
    write_bytes(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Locks an open file or folder for as long as it is open; the system releases it when the process ends.

    Args:
        descriptor: of the file or folder.
        shared: whether others may share the lock.
        wait: whether to wait for the processes that hold it.

    Returns:
        Whether this process has the lock; always True where the system has no such locks.

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
    """Locks a folder for this process.

    Raises:
        UserError: another process holds it.
    """
    with _opened(folder) as descriptor:
        if not lock(descriptor):
            raise UserError(f"another process is at work in {folder}; wait for it, or stop it.")
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Locks a folder, waiting for other processes: for the moment in which a file is read and written again."""
    with _opened(folder) as descriptor:
        with suppress(OSError):  # a disk without locks: as safe as before
            lock(descriptor, wait=True)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    if sys.platform == "win32":
        yield -1  # folders cannot be opened there, and `lock` needs none
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
