"""The run folder: its name, and files that are either whole or not there."""

import json
import os
import stat
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
    """Make a run folder that was not there before.

    Args:
        out: the folder itself; `runs/STEM-N`, N counting up, when omitted.
        stem: what the run is, such as `"digits-mlp-adalfl"`.

    Returns:
        The new, empty folder.

    Raises:
        UserError: it exists, or lies beneath something that is not a folder.
        Failure: the system refuses.
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
    """Make a folder where it is not there yet.

    Raises:
        UserError: it is a file, or lies beneath one.
        Failure: the system refuses.
    """
    with explained(f"make {folder}", "choose another --out"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise UserError(f"{folder} is a file, or lies beneath one; choose another --out.") from error


@contextmanager
def explained(what: str, remedy: str) -> Iterator[None]:
    """Put what the disk refuses into words.

    Args:
        what: could not be done, such as `"write into runs/1"`.
        remedy: what to do next.

    Raises:
        Failure: the system refused.
    """
    try:
        yield
    except BrokenPipeError:  # nobody reads what is printed any more: not the disk's fault
        raise
    except OSError as error:
        raise Failure(f"cannot {what} ({error.strerror or error}); {remedy}.") from error


def check_plain(folder: Path) -> None:
    """Look through a run folder, before anything is read from it or written into it, for what is no file of a run.

    The folder's own path may be a link, since the user named it; what is inside may be somebody else's.

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
    """Write a file that the user named: where the name is a symbolic link, what it points to is written.

    Raises:
        UserError: something is there that is not a plain file.
    """
    write_bytes(path.resolve(), content)


def write_named(path: Path, content: bytes) -> None:
    """Write a file that the user named, as `write_output` does, and make its folder where that is not there.

    Raises:
        UserError: no file of that name can be there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, content)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"cannot write {path} ({error.strerror}); choose another name.") from error


def check_named(path: Path) -> None:
    """Refuse, before any work, a name that `write_named` cannot write.

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
    """Refuse, before any work, a name whose file cannot be replaced.

    Raises:
        UserError: as `write_output`.
    """
    _refuse_odd(path.resolve())


def _refuse_odd(path: Path) -> None:
    """Only plain files are replaced: a device, a pipe or a link would be lost, and with it what it leads to."""
    try:
        mode = path.lstat().st_mode
    except OSError:  # nothing is there, or what is wrong shows when it is written
        return
    if stat.S_ISLNK(mode):
        raise UserError(f"{path} is a symbolic link, which is not written over; remove it.")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder is the system's to refuse
        raise UserError(f"{path} is not a plain file, and is not written over; choose another name.")


def write_bytes(path: Path, content: bytes) -> None:
    """Write under a name of one's own, flush to disk, then rename: whole or not there, whoever else writes.

    Raises:
        UserError: something is there that is not a plain file.
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
    """Remove what was left half-written by those who were killed; nobody writes into the folder now."""
    for partial in folder.glob(".*.partial"):
        partial.unlink()


def write_json(path: Path, value: Any) -> None:
    """A JSON file, indented."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def write_tensors(path: Path, tensors: Tensors) -> None:
    """A safetensors file: names, shapes and values, nothing that could run."""
    write_bytes(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))
