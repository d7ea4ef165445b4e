"""The tasks `cifar10`, `cifar100` and `svhn`: colour images through torchvision, downloaded once and checked."""

import os
import shutil
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch

from ..data.download import downloading, torchvision_datasets
from ..data.splits import Split
from ..errors import UserError
from .defaults import DEFAULTS, PAD
from .task import Held, Task, build_task

PARTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "cifar10": ("CIFAR10", {"train": True}, {"train": False}),
    "cifar100": ("CIFAR100", {"train": True}, {"train": False}),
    "svhn": ("SVHN", {"split": "train"}, {"split": "test"}),
}
"""torchvision's class, and its arguments for the train and the test partition."""


def cifar10(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads 32x32 photographs of 10 kinds of things."""
    return _colour("cifar10", 10, data_dir, **held)


def cifar100(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads 32x32 photographs of 100 kinds of things."""
    return _colour("cifar100", 100, data_dir, **held)


def svhn(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Loads 32x32 photographs of house numbers; the class is the digit in the middle."""
    return _colour("svhn", 10, data_dir, **held)


def _colour(name: str, num_classes: int, data_dir: Path, **held: Unpack[Held]) -> Task:
    train, test = read_colour_images(name, data_dir)
    return build_task(name, "classification", train, test, num_classes, DEFAULTS[name], **held, pad=PAD)


def read_colour_images(name: str, data_dir: Path) -> tuple[Split, Split]:
    """Reads the original partition, `[n, 3, 32, 32]` with pixels from 0 to 255, and class ids.

    Args:
        name: `"cifar10"`, `"cifar100"` or `"svhn"`.
        data_dir: folder with torchvision's files, or to download them to.

    Returns:
        The train and the test partition.

    Raises:
        Failure: the download failed or torchvision cannot be imported.
        UserError: the files there cannot be read.
    """
    class_name, *parts = PARTS[name]
    dataset = getattr(torchvision_datasets(name), class_name)
    train, test = (_read(name, dataset, data_dir, part) for part in parts)
    return train, test


def _read(name: str, dataset: Any, data_dir: Path, part: dict[str, Any]) -> Split:
    try:
        images = dataset(data_dir, download=False, **part)
    except RuntimeError:  # torchvision's error for files that are absent or fail their checksum
        _download(name, dataset, data_dir, part)
        images = dataset(data_dir, download=False, **part)
    except (OSError, ValueError) as error:
        raise UserError(f"{name} in {data_dir} cannot be read ({error}); delete its files and run again.") from error
    pixels = np.asarray(images.data)
    if pixels.shape[-1] == 3:  # CIFAR has channels last
        pixels = pixels.transpose(0, 3, 1, 2)
    labels = images.labels if hasattr(images, "labels") else images.targets
    return Split(torch.from_numpy(np.ascontiguousarray(pixels)).float(), torch.as_tensor(np.asarray(labels)).long())


def _download(name: str, dataset: Any, data_dir: Path, part: dict[str, Any]) -> None:
    with downloading(name, data_dir, f"put the files of torchvision's {dataset.__name__} there") as scratch:
        dataset(scratch, download=True, **part)
        for item in scratch.iterdir():
            target = data_dir / item.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(item, target)
