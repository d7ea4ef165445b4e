"""Tasks: what is to be learned. Data in splits, the kind of target, and the published settings.

Only the defaults are imported at once, so that they are known without torch; the rest on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .defaults import DEFAULTS, Defaults

if TYPE_CHECKING:
    from .arrays import task_from_arrays
    from .encoding import Encoding
    from .load import TASKS, WITHOUT_DATA_DIR, is_file_task, load_task
    from .task import Task

_MODULES = {
    "Encoding": "encoding",
    "TASKS": "load",
    "Task": "task",
    "WITHOUT_DATA_DIR": "load",
    "is_file_task": "load",
    "load_task": "load",
    "task_from_arrays": "arrays",
}
"""The module of each name that is imported on first use."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


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
