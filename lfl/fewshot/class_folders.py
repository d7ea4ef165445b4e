"""Episodes of a user's own pictures: a folder with a folder for each class."""

import os
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from ..data.image_folder import SUFFIXES, class_files, read_picture
from ..data.limits import check_memory
from ..data.quoting import listed, shortened
from ..errors import UserError
from ..randomness import choices
from .class_images import ClassImages, ImageEpisodes, Rotations, standardised
from .episode import SplitName

PARTS: tuple[SplitName, ...] = ("train", "valid", "test")
SHARES: dict[SplitName, float] = {"valid": 0.16, "test": 0.2}
"""Shares of the classes that are held out where the folder does not say which: as of mini-ImageNet's 100 classes."""

COPIES = 3
"""Copies of the pictures that are in memory at once while they are read."""


def class_folders(
    path: Path,
    *,
    ways: int,
    shots: int,
    queries: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    rotations: Rotations = "none",
    split_seed: int = 0,
) -> ImageEpisodes:
    """Episodes of the pictures in `train/CLASS/`, `valid/CLASS/` and `test/CLASS/`; or in `CLASS/` alone.

    No class may be in two of them: a few-shot method is judged on classes that it has not seen. Where `valid/` is
    missing, 16 % of the train classes are for validation, and where `test/` is, 20 % for test, drawn by `split_seed`.
    Pictures that are all grey have one channel, else three; channels are standardised by the pixels of the train
    classes.

    Args:
        path: of the folder.
        ways, shots, queries, seed, rotations: see `ImageEpisodes`.
        device: holds the images, and draws.
        split_seed: says which classes are in which split; not the run's seed, so that runs can be compared.

    Raises:
        UserError: no such folders, a picture that cannot be read, pictures of several sizes, a class in two splits, too
            little memory, or fewer than three classes to split; or as `ImageEpisodes`.
    """
    if not os.path.isdir(path):
        raise UserError(
            f"{path} is not a folder; give one with train/, valid/ and test/, or with a folder for each class."
        )
    images, splits = _read(path)
    splits = _divided(path, splits, split_seed)
    images = standardised(images, splits["train"])
    images = images._replace(pixels=images.pixels.to(device))
    return ImageEpisodes(str(path), images, splits, ways, shots, queries, seed, rotations)


def _read(path: Path) -> tuple[ClassImages, dict[SplitName, tuple[int, ...]]]:
    """Reads all pictures, and which classes the subfolders say are in which split."""
    folders: dict[SplitName, Path] = {part: path / part for part in PARTS} if _is_parted(path) else {"train": path}
    files = {part: class_files(folder) for part, folder in folders.items() if folder.is_dir()}
    pixels = _pictures([file for found in files.values() for file in found], path)
    names: list[str] = []
    counts: list[int] = []
    splits: dict[SplitName, tuple[int, ...]] = {}
    for part, found in files.items():
        classes = [(name, len(list(group))) for name, group in groupby(found, key=lambda file: file.parent.name)]
        splits[part] = tuple(range(len(names), len(names) + len(classes)))
        names += [name for name, _ in classes]
        counts += [count for _, count in classes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"{path} has {listed(twice)} in more than one of train/, valid/ and test/; put each class into one, "
            "since a few-shot method is judged on classes that it has not seen."
        )
    channels = pixels.shape[1]
    return ClassImages(pixels, tuple(counts), tuple(names), (0.0,) * channels, (1.0,) * channels), splits


def _is_parted(path: Path) -> bool:
    """Whether `train/` holds classes; with pictures in it, it is a class of that name."""
    train = path / "train"
    return train.is_dir() and not any(file.suffix.lower() in SUFFIXES for file in train.iterdir())


def _pictures(files: list[Path], path: Path) -> torch.Tensor:
    """Reads pictures of one size, `[n, 1 or 3, height, width]` uint8; those of 16 bits are rounded to 8."""
    first = read_picture(files[0])
    height, width = first.shape[:2]
    check_memory(COPIES * len(files) * first.size, str(path), "make the pictures smaller, or give fewer")
    pixels = np.empty((len(files), 3, height, width), dtype=np.uint8)
    grey = True
    for i, file in enumerate(files):
        picture = read_picture(file)
        if picture.shape != first.shape:
            raise UserError(
                f"{shortened(str(file), 300)} is {picture.shape[1]}x{picture.shape[0]} pixels and others are "
                f"{width}x{height}; resize it."
            )
        pixels[i] = np.rint(picture).astype(np.uint8).transpose(2, 0, 1)
        grey = grey and bool((pixels[i] == pixels[i, :1]).all())
    return torch.from_numpy(np.ascontiguousarray(pixels[:, :1]) if grey else pixels)


def _divided(path: Path, splits: dict[SplitName, tuple[int, ...]], seed: int) -> dict[SplitName, tuple[int, ...]]:
    """Takes the splits that are not there from the train classes."""
    order = list(splits["train"])
    choices(seed, "few-shot split of classes").shuffle(order)
    missing = {part: share for part, share in SHARES.items() if part not in splits}
    ends = {part: max(1, round(share * len(order))) for part, share in missing.items()}
    if len(order) <= sum(ends.values()):
        raise UserError(
            f"{path} has {len(order)} classes to train on, too few to hold some out for {' and '.join(missing)}; give "
            "more, in a folder for each class."
        )
    divided = dict(splits)
    for part, count in ends.items():
        divided[part], order = tuple(sorted(order[:count])), order[count:]
    return {**divided, "train": tuple(sorted(order))}
