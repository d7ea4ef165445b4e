"""The loggers that the setting `log` names, each beside the files of a run folder."""

from pathlib import Path

from .file_loggers import CsvLogger
from .logger import Logger
from .tensorboard import TensorBoardLogger
from .trackers import MLflowLogger, WandbLogger

FILES = {"tensorboard": "tensorboard", "csv": "metrics.csv", "wandb": "wandb.json", "mlflow": "mlflow.json"}
"""What each logger keeps in the run folder: its files, or the id of its run elsewhere."""


def loggers_of(log: str, folder: Path) -> list[Logger]:
    """Makes the loggers of a run.

    Args:
        log: the setting: `"none"`, or names with commas between them.
        folder: the run folder.
    """
    return [_logger(name, folder) for name in log.split(",") if name != "none"]


def _logger(name: str, folder: Path) -> Logger:
    own = folder / FILES[name]
    run = folder.resolve()
    # seeds are told apart by their folder alone
    title = f"{run.parent.name}-{run.name}" if run.name.startswith("seed-") else run.name
    match name:
        case "tensorboard":
            return TensorBoardLogger(own)
        case "csv":
            return CsvLogger(own)
        case "wandb":
            return WandbLogger(name=title, state=own)
        case _:
            return MLflowLogger(name=title, state=own)
