"""The task `digits`: 8x8 handwritten digits inside scikit-learn, without a download."""

from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from ..data.splits import Split
from .defaults import DEFAULTS
from .task import Held, Task, build_task


def digits(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads 8x8 handwritten digits; scikit-learn's copy has no test partition."""
    return build_task("digits", "classification", read_digits(), None, 10, DEFAULTS["digits"], **held)


def read_digits() -> Split:
    """Reads 1,797 handwritten digits: 8x8 pixels from 0 to 16, `[n, 1, 8, 8]`, and classes 0 to 9."""
    from sklearn.datasets import load_digits  # a slow import

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images.astype(np.float32))[:, None]
    return Split(pixels, torch.from_numpy(bunch.target.astype(np.int64)))
