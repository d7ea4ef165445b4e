"""Run folders: made by training, read back later."""

from .execute import Result, execute
from .load import Run, load_run, read_json, test_error

__all__ = ["Result", "Run", "execute", "load_run", "read_json", "test_error"]
