"""Tasks from a user's own files: arrays in a `.npz`, a table in a `.csv`, or images in a folder for each class."""

import os
from dataclasses import replace
from pathlib import Path

from ..data.files import read_npz
from ..data.pictures import read_folder
from ..data.table import encode, inputs_of, read_table, targets_of
from ..errors import UserError
from .arrays import task_from_arrays
from .task import Task


def is_file_task(name: str) -> bool:
    """Whether a task's name is the path of a user's own data."""
    return Path(name).suffix in {".npz", ".csv"} or name.endswith("/") or os.path.isdir(name)


def task_from_files(path: Path, *, target: str | None, kind: str | None, eval_split: bool) -> Task:
    """The task in a file or folder; see `lfl.data.files` and `lfl.data.table` for what they hold.

    Raises:
        UserError: it cannot be read, or what it holds cannot be used; `target` missing, or not wanted.
    """
    if path.suffix == ".csv":
        if target is None:
            raise UserError(f"{path} is a table: say which column is to be predicted, with --target COLUMN.")
        table = read_table(path)
        columns = inputs_of(table, target)
        arrays = {"x_train": encode(table, columns), "y_train": targets_of(table, target)}
        task = task_from_arrays(**arrays, name=str(path), kind=kind, eval_split=eval_split)
        return replace(task, encoding=replace(task.encoding, columns=columns))
    if target is not None:
        raise UserError(f"--target is for a .csv table, got {path}; leave it out.")
    arrays = read_npz(path) if path.suffix == ".npz" else read_folder(path)
    return task_from_arrays(**arrays, name=str(path), kind=kind, eval_split=eval_split)
