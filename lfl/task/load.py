"""Loads a task by name, or a user's own: `.npz`, `.npy`, `.csv`, `.txt`, a folder of pictures, a function."""

import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Unpack

import numpy as np

from ..catalogue import OWN_TASKS, TASKS
from ..data.csv_table import Table, encode, inputs_of, read_table, targets_named, targets_of
from ..data.image_folder import read_folder, train_files
from ..data.npy_folder import is_npy_folder, open_npy_folder
from ..data.npz import read_npz
from ..errors import UserError, one_of
from ..user_code import is_own
from .arrays import task_from_arrays
from .own_function import task_from_function
from .task import Held, Task
from .text import task_from_text_file

WITHOUT_DATA_DIR = {name for name, entry in TASKS.items() if not entry.downloads}
"""Tasks whose data are inside scikit-learn."""


def load_task(
    name: str,
    data_dir: Path,
    *,
    target: str | None = None,
    kind: str | None = None,
    valid: str | None = None,
    context: int | None = None,
    **held: Unpack[Held],
) -> Task:
    """Loads the task called `name`, or the user's own in a file or folder of that name, or by a function.

    Args:
        name: name of a task; path of a `.npz`, a `.csv`, a `.txt`, or a folder of pictures or `.npy` arrays; or
            `"module:function"`.
        data_dir: folder with the data of named tasks, or to download them to.
        target: the column of a `.csv` to be predicted; several with commas between them.
        kind: `"classification"`, `"regression"` or `"multilabel"`, for a user's own data; inferred when omitted.
        valid: path of the user's own clean data: a file or folder of the same kind as `name`.
        context: characters of a window of a `.txt`; 128 when omitted.
        held: `valid_size`, the rows of train that become valid (10 % when omitted), and `eval_split`, whether a fourth
            split is held out of train.

    Raises:
        UserError: an unknown name, data that cannot be used, or an option that does not apply to the task.
        Failure: a download failed.
    """
    if name not in TASKS and is_file_task(name):
        own = None if valid is None else Path(valid)
        return task_from_files(Path(name), target=target, kind=kind, valid=own, context=context, **held)
    own_function = is_function_task(name)
    if not own_function:
        one_of("task", name, [*TASKS, *OWN_TASKS])
    given = {"--target": target, "--kind": None if own_function else kind, "--valid": valid, "--context": context}
    for flag, value in given.items():
        if value is not None:
            files = "files of your own" if own_function else "your own data"
            raise UserError(f"{flag} is for {files}, but the task is {name}; leave it out.")
    if own_function:
        return task_from_function(name, data_dir, kind=kind, **held)
    task: Task = TASKS[name].load()(data_dir, **held)
    return task


def is_file_task(name: str) -> bool:
    """Whether a task's name is the path of a user's own data."""
    return Path(name).suffix in {".npz", ".csv", ".txt"} or name.endswith("/") or os.path.isdir(name)


def is_function_task(name: str) -> bool:
    """Whether a task's name is a user's own function, `"module:function"`, which is code."""
    return name not in TASKS and is_own(name) and not is_file_task(name)


def task_from_files(
    path: Path,
    *,
    target: str | None,
    kind: str | None,
    valid: Path | None = None,
    context: int | None = None,
    **held: Unpack[Held],
) -> Task:
    """Loads the task in a file or folder.

    What these hold is described in `lfl.data.npz`, `lfl.data.npy_folder`, `lfl.data.csv_table`, `lfl.data.text` and
    `lfl.data.image_folder`.

    Args:
        path: the data.
        target, kind, context: as in `load_task`.
        valid: the user's own clean data, in the same form as `path`.
        held: as in `task_from_arrays`.

    Raises:
        UserError: the data cannot be read or used; `target` is missing, or given where it does not apply.
    """
    if valid is not None and _form(valid) != _form(path):
        raise UserError(f"--valid needs {_form(path)}, like the task {path}, got {valid}.")
    if context is not None and path.suffix != ".txt":
        raise UserError(f"--context is for a .txt, got {path}; leave it out.")
    if path.suffix == ".csv":
        return _from_table(path, valid, target, kind, **held)
    if target is not None:
        raise UserError(f"--target is for a .csv table, got {path}; leave it out.")
    if path.suffix == ".txt":
        if kind is not None:
            raise UserError(
                f"--kind is for arrays and tables; of the text {path} characters are predicted. Leave it out."
            )
        task = task_from_text_file(path, valid, context=context, **held)
        return replace(task, valid_from=None if valid is None else str(valid))
    if is_npy_folder(path):
        read, inside = open_npy_folder, str(path / "x_valid.npy")
    else:
        read, inside = (read_npz, f"x_valid of {path}") if path.suffix == ".npz" else (read_folder, str(path / "valid"))
    arrays = read(path, valid)
    task = task_from_arrays(**arrays, name=str(path), kind=kind, **held)
    return replace(task, valid_from=(inside if valid is None else str(valid)) if "x_valid" in arrays else None)


class Places(NamedTuple):
    """Where the rows of a user's own data are: the `kind` of place, `"line"` or `"file"`, and the place of each row."""

    kind: str
    of_rows: list[int] | list[str]


def places_of(path: Path) -> Places | None:
    """Finds the place in the file of each row that `task_from_files` reads, in the order of the rows.

    Returns:
        Lines of a table, or paths of pictures within their folder; None for arrays, which only have row numbers.

    Raises:
        UserError: the data cannot be read.
    """
    if path.suffix == ".csv":
        return Places("line", read_table(path).lines)
    if path.suffix in {".npz", ".txt"} or is_npy_folder(path):
        return None
    return Places("file", [file.relative_to(path).as_posix() for file in train_files(path)])


def _form(path: Path) -> str:
    return {".npz": "a .npz", ".csv": "a .csv table", ".txt": "a .txt"}.get(path.suffix, "a folder of pictures")


def _from_table(path: Path, valid: Path | None, target: str | None, kind: str | None, **held: Unpack[Held]) -> Task:
    if target is None:
        raise UserError(f"{path} is a table; name the column to predict with --target COLUMN.")
    table = read_table(path)
    targets = targets_named(table, target)
    columns = inputs_of(table, *targets)
    arrays = {"x_train": encode(table, columns), "y_train": _columns_of(table, targets)}
    if valid is not None:
        clean = read_table(valid)
        words = arrays["y_train"].dtype.kind == "U"
        arrays |= {"x_valid": encode(clean, columns), "y_valid": _columns_of(clean, targets, words=words)}
    task = task_from_arrays(**arrays, name=str(path), kind=kind, **held)
    names = targets if task.kind == "multilabel" else task.encoding.classes
    encoding = replace(task.encoding, columns=columns, classes=names)
    return replace(task, encoding=encoding, valid_from=None if valid is None else str(valid))


def _columns_of(table: Table, names: list[str], *, words: bool | None = None) -> np.ndarray:
    """Reads the target columns, `[n]` for one and `[n, columns]` for several, which must be numbers."""
    found = [targets_of(table, name, words=words if len(names) == 1 else False) for name in names]
    return found[0] if len(names) == 1 else np.stack(found, 1)
