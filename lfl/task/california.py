"""The task `california`: house values of Californian districts, from scikit-learn's copy, fetched on first use."""

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from ..boundary import read_npz
from ..data.download import downloading
from ..data.splits import Split
from ..errors import Failure, UserError
from .defaults import DEFAULTS
from .task import Held, Task, build_task

NUM_ROWS = 20_640
MOST_BYTES = 4 * 2**20


def california(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads house values of 20,640 Californian districts, from eight facts about each."""
    return build_task("california", "regression", read_california(data_dir), None, 1, DEFAULTS["california"], **held)


def read_california(data_dir: Path) -> Split:
    """Reads California housing: eight variables of 20,640 districts, and their median house value, `[n, 1]`.

    scikit-learn keeps them as a pickle. It is read once, and then kept as arrays, which cannot run code. The folder
    must be the user's own, since a pickle in it is read.

    Raises:
        Failure: it is not there and cannot be downloaded.
        UserError: the file there is not scikit-learn's.
    """
    kept = data_dir / "california" / "california.npz"
    if kept.is_file():
        arrays = read_npz(kept, ("data", "target"), MOST_BYTES)
        return _as_split(*_checked(arrays["data"], arrays["target"], kept))
    data, target = _checked(*_fetch(data_dir), data_dir / "scikit_learn_data" / "cal_housing_py3.pkz")
    # In a folder that cannot be written the pickle is read again next time.
    with suppress(Failure), downloading("california", kept.parent, "read it again") as scratch:
        np.savez_compressed(scratch / kept.name, data=data, target=target)
        os.replace(scratch / kept.name, kept)
    return _as_split(data, target)


def _checked(data: np.ndarray, target: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns the arrays if they are those of the data set, else raises `UserError`."""
    numbers = (data.dtype.kind, target.dtype.kind) == ("f", "f")
    shapes = (data.shape, target.shape) == ((NUM_ROWS, 8), (NUM_ROWS,))
    if not numbers or not shapes or not (np.isfinite(data).all() and np.isfinite(target).all()):
        raise UserError(f"{path} is not California housing. Delete it and run again to download it anew.")
    return data, target


def _fetch(data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import fetch_california_housing  # a slow import

    home = data_dir / "scikit_learn_data"
    try:
        bunch = fetch_california_housing(data_home=home, download_if_missing=False)
    except OSError:
        otherwise = f"put scikit-learn's cal_housing_py3.pkz into {home}"
        with downloading("california", home, otherwise), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Retry downloading")
            bunch = fetch_california_housing(data_home=home, n_retries=1)
    except Exception as error:  # unpickling a damaged file raises nearly anything
        raise UserError(
            f"{home / 'cal_housing_py3.pkz'} cannot be read ({error}). Delete it and run again to download it anew."
        ) from error
    return np.asarray(bunch.data), np.asarray(bunch.target)


def _as_split(data: np.ndarray, target: np.ndarray) -> Split:
    # Single precision before scaling: the published numbers were made so.
    return Split(torch.from_numpy(data.astype(np.float32)), torch.from_numpy(target.astype(np.float32))[:, None])
