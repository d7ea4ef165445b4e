"""Errors of data that are fetched on first use, in words."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch

from ..errors import Failure


@contextmanager
def downloading(what: str, data_dir: Path, otherwise: str) -> Iterator[None]:
    """Say that a download failed, why, and what else can be done.

    Raises:
        Failure: instead of whatever a fetcher raises for want of a network, of room, or of a sound file.
    """
    try:
        yield
    except (OSError, RuntimeError, shutil.Error, HTTPException) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Failure(
            f"could not download {what} into {data_dir} ({reason}). Check the network and the folder, or {otherwise}."
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
