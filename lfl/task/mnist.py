"""The task `mnist`: handwritten digits through torchvision, downloaded once and checked byte for byte."""

import hashlib
import os
from pathlib import Path
from typing import Any, Unpack

import torch

from ..data.download import downloading, torchvision_datasets
from ..data.splits import Split
from ..errors import UserError
from .defaults import DEFAULTS
from .task import Held, Task, build_task

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def mnist(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads 28x28 handwritten digits in their original partition."""
    train, test = read_mnist(data_dir)
    return build_task("mnist", "classification", train, test, 10, DEFAULTS["mnist"], **held)


def read_mnist(data_dir: Path) -> tuple[Split, Split]:
    """Reads the original 60,000 + 10,000 images, `[n, 1, 28, 28]` with pixels from 0 to 255, and classes 0 to 9.

    Args:
        data_dir: folder with `MNIST/raw`, or to download it to.

    Returns:
        The train and the test partition.

    Raises:
        UserError: a file there is not MNIST's (truncated, corrupt, another data set).
        Failure: the download failed, or torchvision cannot be imported.
    """
    datasets = torchvision_datasets("mnist")
    raw = data_dir / "MNIST" / "raw"
    if not all((raw / name).is_file() for name in MD5):
        _download(datasets, data_dir, raw)
    for name, expected in MD5.items():
        found = hashlib.md5((raw / name).read_bytes(), usedforsecurity=False).hexdigest()
        if found != expected:
            raise UserError(
                f"{raw / name} is not MNIST's file: MD5 {found}, expected {expected}. "
                "Delete it and run again to download it anew."
            )
    return _read(datasets, data_dir, train=True), _read(datasets, data_dir, train=False)


def _read(datasets: Any, data_dir: Path, *, train: bool) -> Split:
    images = datasets.MNIST(data_dir, train=train, download=False)
    return Split(images.data[:, None].to(torch.float32), images.targets.to(torch.int64))


def _download(datasets: Any, data_dir: Path, raw: Path) -> None:
    with downloading("MNIST", data_dir, f"put the four IDX files into {raw}") as scratch:
        datasets.MNIST(scratch, download=True)
        raw.mkdir(parents=True, exist_ok=True)
        for name in MD5:
            os.replace(scratch / "MNIST" / "raw" / name, raw / name)
