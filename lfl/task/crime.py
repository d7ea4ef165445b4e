"""The task `crime`: UCI's Communities and Crime, fetched on first use."""

import os
from pathlib import Path
from typing import Unpack
from urllib.request import urlretrieve

import numpy as np
import torch

from ..data.download import downloading
from ..data.splits import Split
from ..errors import UserError
from .defaults import DEFAULTS
from .task import Held, Task, build_task

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/communities/communities.data"
NUM_NAMES = 5
"""Leading columns that name a community or a fold, and predict nothing."""

NUM_COLUMNS = 128
MOSTLY_MISSING = 0.5


def crime(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads violent crimes per head of 1,994 communities of the United States, from 100 facts about each."""
    return build_task("crime", "regression", read_crime(data_dir), None, 1, DEFAULTS["crime"], **held)


def read_crime(data_dir: Path) -> Split:
    """Reads Communities and Crime: 100 variables of 1,994 communities, and violent crimes per head, `[n, 1]`.

    Of the 122 predictors, 22 are from a survey that covers a sixth of the communities. Columns with more than half of
    their values missing are left out, since any filling would be made up. In the others one value is missing (NaN).

    Args:
        data_dir: folder with UCI's `communities/communities.data`, or to download it to.

    Raises:
        Failure: it is not there and cannot be downloaded.
        UserError: the file there is not UCI's.
    """
    path = data_dir / "communities" / "communities.data"
    if not path.is_file():
        _download(path)
    values = _parse(path)
    inputs = values[:, :-1]
    inputs = inputs[:, np.isnan(inputs).mean(0) <= MOSTLY_MISSING]
    # Single precision before scaling: the published numbers were made so.
    return Split(torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(values[:, -1:].astype(np.float32)))


def _parse(path: Path) -> np.ndarray:
    try:
        cells = [line.split(",")[NUM_NAMES:] for line in path.read_text().splitlines() if line]
        values = np.array([[np.nan if cell == "?" else float(cell) for cell in row] for row in cells])
        if values.shape[1:] != (NUM_COLUMNS - NUM_NAMES,):
            raise ValueError(f"rows of {values.shape[1] + NUM_NAMES} columns in place of {NUM_COLUMNS}")
    except (ValueError, IndexError, OSError) as error:
        raise UserError(
            f"{path} is not UCI's Communities and Crime ({error}). Delete it and run again to download it anew."
        ) from error
    return values


def _download(path: Path) -> None:
    with downloading("crime", path.parent, f"put UCI's communities.data into {path.parent}") as scratch:
        fetched, _ = urlretrieve(URL, scratch / path.name)
        os.replace(fetched, path)
