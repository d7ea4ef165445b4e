"""The task `diabetes`: disease progression of 442 patients inside scikit-learn, without a download."""

from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from ..data.splits import Split
from .defaults import DEFAULTS
from .task import Held, Task, build_task


def diabetes(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads disease progression after one year, from ten variables."""
    return build_task("diabetes", "regression", read_diabetes(), None, 1, DEFAULTS["diabetes"], **held)


def read_diabetes() -> Split:
    """Reads 442 patients: ten baseline variables, and disease progression after a year, `[n, 1]`."""
    from sklearn.datasets import load_diabetes  # a slow import

    bunch = load_diabetes(scaled=False)
    values = torch.from_numpy(bunch.target.astype(np.float32))[:, None]
    return Split(torch.from_numpy(bunch.data.astype(np.float32)), values)
