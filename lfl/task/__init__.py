"""Tasks: what is to be learned. Data in splits, the kind of target, and the published settings."""

from ..entry import Defaults
from .arrays import task_from_arrays
from .defaults import DEFAULTS
from .encoding import Encoding
from .load import WITHOUT_DATA_DIR, is_file_task, load_task
from .task import Task

__all__ = [
    "DEFAULTS",
    "WITHOUT_DATA_DIR",
    "Defaults",
    "Encoding",
    "Task",
    "is_file_task",
    "load_task",
    "task_from_arrays",
]
