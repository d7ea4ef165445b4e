"""CIFAR-10, CIFAR-100 and SVHN through torchvision: downloaded once, checked, read without network afterwards."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import UserError
from .arrays import Split
from .download import downloading, torchvision_datasets

PARTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "cifar10": ("CIFAR10", {"train": True}, {"train": False}),
    "cifar100": ("CIFAR100", {"train": True}, {"train": False}),
    "svhn": ("SVHN", {"split": "train"}, {"split": "test"}),
}
"""torchvision's class, and its words for the train and the test partition."""


def colour_images(name: str, data_dir: Path) -> tuple[Split, Split]:
    """The original partition, `[n, 3, 32, 32]` with pixels from 0 to 255, and class ids.

    Args:
        name: `"cifar10"`, `"cifar100"` or `"svhn"`.
        data_dir: folder that holds, or will hold, torchvision's files.

    Returns:
        The train and the test partition.

    Raises:
        Failure: the download failed or torchvision cannot be imported.
        UserError: the files there are not the data set's.
    """
    class_name, *parts = PARTS[name]
    dataset = getattr(torchvision_datasets(name), class_name)
    train, test = (_read(name, dataset, data_dir, part) for part in parts)
    return train, test


def _read(name: str, dataset: Any, data_dir: Path, part: dict[str, Any]) -> Split:
    try:
        images = dataset(data_dir, download=False, **part)
    except RuntimeError:  # torchvision's word for files that are absent or fail their checksum
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
