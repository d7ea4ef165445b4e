"""Run folders: made by training, read back later."""

from .execute import execute, execute_seeds
from .history import History
from .learned import allowed_loss_of, learned_loss_of, load_history
from .load import Run, data_folder, load_data, load_model, load_run, measure_test, test_error
from .predict import predict
from .record import Result
from .resume import resume
from .schema import read_facts, read_settings
from .suspects import Ranked, agreement, rank_suspects
from .trust import Named

__all__ = [
    "History",
    "Named",
    "Ranked",
    "Result",
    "Run",
    "agreement",
    "allowed_loss_of",
    "data_folder",
    "execute",
    "execute_seeds",
    "learned_loss_of",
    "load_data",
    "load_history",
    "load_model",
    "load_run",
    "measure_test",
    "predict",
    "rank_suspects",
    "read_facts",
    "read_settings",
    "resume",
    "test_error",
]
