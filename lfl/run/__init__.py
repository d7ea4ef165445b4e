"""Run folders: made by training, read back later."""

from .execute import execute, execute_seeds
from .history import History
from .load import Run, learned_loss_of, load_history, load_model, load_run, read_json, read_settings, test_error
from .predict import predict
from .record import Result
from .resume import resume

__all__ = [
    "History",
    "Result",
    "Run",
    "execute",
    "execute_seeds",
    "learned_loss_of",
    "load_history",
    "load_model",
    "load_run",
    "predict",
    "read_json",
    "read_settings",
    "resume",
    "test_error",
]
