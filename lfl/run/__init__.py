"""Run folders: written by training, read back later."""

from .execute import execute, execute_into, execute_seeds, resume
from .file_loggers import CsvLogger, JsonlLogger
from .history import History
from .learned import allowed_loss_of, learned_loss_of, load_all_phi, load_history, load_learned_loss
from .load import Model, data_folder, load_data, load_model, load_model_and_data, measure_test, read_result, test_error
from .logger import Logger
from .predict import predict
from .record import Result
from .schema import environment, read_facts, read_settings
from .suspects import Ranked, agreement, rank_suspects
from .tensorboard import TensorBoardLogger
from .trackers import MLflowLogger, WandbLogger
from .trust import Named

__all__ = [
    "CsvLogger",
    "History",
    "JsonlLogger",
    "Logger",
    "MLflowLogger",
    "Model",
    "Named",
    "Ranked",
    "Result",
    "TensorBoardLogger",
    "WandbLogger",
    "agreement",
    "allowed_loss_of",
    "data_folder",
    "environment",
    "execute",
    "execute_into",
    "execute_seeds",
    "learned_loss_of",
    "load_all_phi",
    "load_data",
    "load_history",
    "load_learned_loss",
    "load_model",
    "load_model_and_data",
    "measure_test",
    "predict",
    "rank_suspects",
    "read_facts",
    "read_result",
    "read_settings",
    "resume",
    "test_error",
]
