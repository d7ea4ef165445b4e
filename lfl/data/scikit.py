"""The two data sets that come inside scikit-learn: no download."""

import numpy as np
import torch

from .arrays import Split


def digits() -> Split:
    """1,797 handwritten digits: 8x8 pixels from 0 to 16, `[n, 1, 8, 8]`, and classes 0 to 9."""
    from sklearn.datasets import load_digits  # a slow import

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images.astype(np.float32))[:, None]
    return Split(pixels, torch.from_numpy(bunch.target.astype(np.int64)))


def diabetes() -> Split:
    """442 patients: ten baseline variables, and disease progression after a year, `[n, 1]`."""
    from sklearn.datasets import load_diabetes  # a slow import

    bunch = load_diabetes(scaled=False)
    values = torch.from_numpy(bunch.target.astype(np.float32))[:, None]
    return Split(torch.from_numpy(bunch.data.astype(np.float32)), values)
