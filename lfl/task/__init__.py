"""Tasks: what is to be learned. Data in splits, the kind of target, and the published settings."""

from ..entry import Defaults
from .arrays import task_from_arrays
from .defaults import DEFAULTS
from .encoding import Encoding
from .load import WITHOUT_DATA_DIR, is_file_task, is_function_task, load_task
from .loaders import Loaders, task_from_loaders
from .task import Task
from .text import task_from_text

__all__ = [
    "DEFAULTS",
    "WITHOUT_DATA_DIR",
    "Defaults",
    "Encoding",
    "Loaders",
    "Task",
    "is_file_task",
    "is_function_task",
    "load_task",
    "task_from_arrays",
    "task_from_loaders",
    "task_from_text",
]
