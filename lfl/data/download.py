"""Downloads of data sets on first use: complete or not at all, with errors that say what to do."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch

from ..errors import Failure, reason


@contextmanager
def downloading(what: str, folder: Path, otherwise: str) -> Iterator[Path]:
    """Opens a scratch folder inside `folder` for a download.

    The caller downloads into it and then renames the files, so that an interrupted download leaves nothing behind.

    Args:
        what: name of the data set, for errors.
        folder: where its files will be.
        otherwise: what the user can do instead, for errors.

    Raises:
        Failure: in place of whatever the download raised: no network, no room, a damaged file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
            yield Path(scratch)
    except (OSError, RuntimeError, shutil.Error, HTTPException) as error:
        raise Failure(
            f"could not download {what} into {folder} ({reason(error)}). "
            f"Check the network and the folder, or {otherwise}."
        ) from error


def torchvision_datasets(task: str) -> Any:
    """Imports `torchvision.datasets`; raises `Failure` if it cannot be imported."""
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        raise Failure(
            f"{task} needs torchvision, which cannot be imported with torch {torch.__version__} ({error}). "
            "Install the two together: pip install torch torchvision"
        ) from error
    return datasets
