"""The Python interface to training and to run folders: `lfl.train`, `lfl.load_run`, and the `Run` that both return."""

from .fewshot import FewShotRun
from .run import Run, load_run
from .training import Prepared, prepare, train, train_prepared, train_seeds

__all__ = ["FewShotRun", "Prepared", "Run", "load_run", "prepare", "train", "train_prepared", "train_seeds"]
