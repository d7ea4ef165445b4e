"""A run folder while a process works on it: locked, and removed again where an error left nothing in it."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import Diverged, LflError
from .checkpoint import FOLDER
from .folder import create_folder, explained, locked


@contextmanager
def new_folder(out: Path | None, name: str, kept: Sequence[str] = ("result.json",)) -> Iterator[Path]:
    """Makes a run folder, and removes it again after an error unless a checkpoint or a result is in it.

    Args:
        out: the folder; `runs/NAME-N` when omitted.
        name: of the run.
        kept: files that are worth more than an error after them.
    """
    folder = create_folder(out, name)
    try:
        with writing(folder, "make room, or choose another --out"):
            yield folder
    except BaseException as error:
        if not any(any(folder.rglob(pattern)) for pattern in (f"{FOLDER}/*.safetensors", *kept)):
            shutil.rmtree(folder, ignore_errors=True)
        elif isinstance(error, LflError):
            again = f"is in {folder}" if isinstance(error, Diverged) else f"is kept: lfl resume {folder}"
            raise type(error)(f"{error} What was saved before {again}") from error
        raise


@contextmanager
def writing(folder: Path, remedy: str) -> Iterator[None]:
    """Keeps other processes out of a run folder, and turns errors of the system into a `Failure` with its remedy."""
    with explained(f"write the run into {folder}", remedy), locked(folder):
        yield
