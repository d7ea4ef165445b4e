"""Data that are fetched on first use: whole or not at all, and errors in words."""

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
    """A scratch folder inside `folder`: what is fetched into it is then renamed, so that an interrupted download leaves
    nothing behind.

    Raises:
        Failure: instead of whatever a fetcher raises for want of a network, of room, or of a sound file; it says that
            the download failed, why, and what else can be done.
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
    """`torchvision.datasets`; `Failure` where it does not import."""
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        raise Failure(
            f"{task} needs torchvision, which does not import beside torch {torch.__version__} ({error}). "
            "Install the two together: pip install torch torchvision"
        ) from error
    return datasets
