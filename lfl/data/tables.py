"""Tables that are fetched on first use, or that are already there."""

import os
import warnings
from contextlib import suppress
from pathlib import Path
from urllib.request import urlretrieve

import numpy as np
import torch

from ..boundary import read_npz
from ..errors import Failure, UserError
from .arrays import Split
from .download import downloading

CRIME_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/communities/communities.data"
CRIME_NAMES = 5
"""Leading columns of Crime that name a community or a fold, and predict nothing."""

CRIME_COLUMNS = 128
CALIFORNIA_ROWS = 20_640
CALIFORNIA_BYTES = 4 * 2**20
MOSTLY_MISSING = 0.5


def california(data_dir: Path) -> Split:
    """California housing: eight variables of 20,640 districts, and their median house value, `[n, 1]`.

    scikit-learn keeps them as a pickle. It is read once, and kept as arrays that cannot run code: whoever gives this
    folder must be the user, since a pickle that is found in it is read.

    Raises:
        Failure: it is not there and cannot be downloaded.
        UserError: the file there is not scikit-learn's.
    """
    kept = data_dir / "california" / "california.npz"
    if kept.is_file():
        arrays = read_npz(kept, ("data", "target"), CALIFORNIA_BYTES)
        return _split(*_california(arrays["data"], arrays["target"], kept))
    data, target = _california(*_fetch_california(data_dir), data_dir / "scikit_learn_data" / "cal_housing_py3.pkz")
    # A folder that cannot be written is read again the next time.
    with suppress(Failure), downloading("california", kept.parent, "read it again") as scratch:
        np.savez_compressed(scratch / kept.name, data=data, target=target)
        os.replace(scratch / kept.name, kept)
    return _split(data, target)


def _california(data: np.ndarray, target: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Those arrays, where they are the data set's."""
    numbers = (data.dtype.kind, target.dtype.kind) == ("f", "f")
    shapes = (data.shape, target.shape) == ((CALIFORNIA_ROWS, 8), (CALIFORNIA_ROWS,))
    if not numbers or not shapes or not (np.isfinite(data).all() and np.isfinite(target).all()):
        raise UserError(f"{path} is not California housing. Delete it and run again to download it anew.")
    return data, target


def _fetch_california(data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
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


def crime(data_dir: Path) -> Split:
    """Communities and Crime: 100 variables of 1,994 communities, and violent crimes per head, `[n, 1]`.

    Of the 122 variables that may predict, 22 come from a survey that covers a sixth of the communities: columns with
    more than half of their values missing are left out, since whatever filled them would be made up. Beyond these one
    value is missing (NaN).

    Args:
        data_dir: folder that holds, or will hold, UCI's `communities/communities.data`.

    Raises:
        Failure: it is not there and cannot be downloaded.
        UserError: the file there is not UCI's.
    """
    path = data_dir / "communities" / "communities.data"
    if not path.is_file():
        _download_crime(path)
    values = _read_crime(path)
    inputs = values[:, :-1]
    return _split(inputs[:, np.isnan(inputs).mean(0) <= MOSTLY_MISSING], values[:, -1])


def _read_crime(path: Path) -> np.ndarray:
    try:
        cells = [line.split(",")[CRIME_NAMES:] for line in path.read_text().splitlines() if line]
        values = np.array([[np.nan if cell == "?" else float(cell) for cell in row] for row in cells])
        if values.shape[1:] != (CRIME_COLUMNS - CRIME_NAMES,):
            raise ValueError(f"rows of {values.shape[1] + CRIME_NAMES} columns in place of {CRIME_COLUMNS}")
    except (ValueError, IndexError, OSError) as error:
        raise UserError(
            f"{path} is not UCI's Communities and Crime ({error}). Delete it and run again to download it anew."
        ) from error
    return values


def _download_crime(path: Path) -> None:
    with downloading("crime", path.parent, f"put UCI's communities.data into {path.parent}") as scratch:
        fetched, _ = urlretrieve(CRIME_URL, scratch / path.name)
        os.replace(fetched, path)


# Single precision before scaling: the published numbers were made so.
def _split(inputs: np.ndarray, target: np.ndarray) -> Split:
    return Split(torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(target.astype(np.float32))[:, None])
