"""Tasks from a user's own files: arrays in a `.npz`, a table in a `.csv`, or images in a folder for each class."""

from pathlib import Path

from ..data.files import read_folder, read_npz, read_table
from ..errors import UserError
from .arrays import task_from_arrays
from .task import Task


def is_file_task(name: str) -> bool:
    """Whether a task's name is the path of a user's own data."""
    return Path(name).suffix in {".npz", ".csv"} or name.endswith("/") or Path(name).is_dir()


def task_from_files(path: Path, *, target: str | None, kind: str | None, eval_split: bool) -> Task:
    """The task in a file or folder; see `lfl.data.files` for what they hold.

    Raises:
        UserError: it cannot be read, or what it holds cannot be used; `target` missing, or not wanted.
    """
    if path.suffix == ".csv":
        if target is None:
            raise UserError(f"{path} is a table: say which column is to be predicted, with --target COLUMN.")
        arrays = read_table(path, target)
    elif target is not None:
        raise UserError(f"--target is for a .csv table, but {path} came; leave it out.")
    else:
        arrays = read_npz(path) if path.suffix == ".npz" else read_folder(path)
    return task_from_arrays(**arrays, name=str(path), kind=kind, eval_split=eval_split)
