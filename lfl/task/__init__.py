"""What is to be learned: data in splits, the kind of target, and the published settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Unpack

from ..errors import UserError, one_of
from .arrays import task_from_arrays
from .build import Held
from .defaults import DEFAULTS
from .encoding import Encoding
from .files import is_file_task, task_from_files
from .images import cifar10, cifar100, digits, mnist, svhn
from .tabular import california, crime, diabetes
from .task import Defaults, Task

TASKS: dict[str, Callable[..., Task]] = {
    "digits": digits,
    "diabetes": diabetes,
    "crime": crime,
    "california": california,
    "mnist": mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "svhn": svhn,
}

WITHOUT_DATA_DIR = {"digits", "diabetes"}
"""Tasks whose data come with scikit-learn."""


def load_task(
    name: str,
    data_dir: Path,
    *,
    target: str | None = None,
    kind: str | None = None,
    valid: str | None = None,
    **held: Unpack[Held],
) -> Task:
    """The task called `name`, or the user's own in a file or folder of that name.

    Args:
        name: of a task; or the path of a `.npz`, of a `.csv`, or of a folder of images.
        data_dir: where named tasks find their data, or download them to.
        target: the column of a `.csv` to be predicted.
        kind: `"classification"` or `"regression"`, for a user's own data; inferred when omitted.
        valid: the path of clean data of the user's own: a file or folder of the same kind as `name`.
        held: `valid_size`, how many rows of train become valid (10 % when omitted), and `eval_split`, whether a fourth
            split is held out of train.

    Raises:
        UserError: an unknown name, data that cannot be used, or an option that the task does not have.
        Failure: a download failed.
    """
    if name not in TASKS and is_file_task(name):
        own = None if valid is None else Path(valid)
        return task_from_files(Path(name), target=target, kind=kind, valid=own, **held)
    one_of("task", name, [*TASKS, "FILE.npz", "TABLE.csv", "FOLDER/"])
    for flag, given in (("--target", target), ("--kind", kind), ("--valid", valid)):
        if given is not None:
            raise UserError(f"{flag} is for your own data, but the task is {name}; leave it out.")
    return TASKS[name](data_dir, **held)


__all__ = [
    "DEFAULTS",
    "TASKS",
    "WITHOUT_DATA_DIR",
    "Defaults",
    "Encoding",
    "Task",
    "is_file_task",
    "load_task",
    "task_from_arrays",
]
