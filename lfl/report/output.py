"""Where pictures and pages go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Failure, UserError


@contextmanager
def make_folder(folder: Path) -> Iterator[None]:
    """A folder to write into, made where it is not there; what the disk refuses is put into words.

    Raises:
        UserError: the folder is a file, or lies beneath one.
        Failure: the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder} is a file, or lies beneath one; choose another --out.") from error
    except OSError as error:
        raise Failure(f"cannot write into {folder} ({error.strerror or error}); choose another --out.") from error
