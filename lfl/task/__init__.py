"""What is to be learned: data in splits, the kind of target, and the published settings."""

from collections.abc import Callable
from pathlib import Path

from ..errors import one_of
from .images import digits, mnist
from .tabular import diabetes
from .task import Defaults, Task

TASKS: dict[str, Callable[[Path], Task]] = {"digits": digits, "diabetes": diabetes, "mnist": mnist}


def load_task(name: str, data_dir: Path) -> Task:
    """The task called `name`, its data read from (or downloaded into) `data_dir` where it needs any."""
    one_of("task", name, list(TASKS))
    return TASKS[name](data_dir)


__all__ = ["TASKS", "Defaults", "Task", "load_task"]
