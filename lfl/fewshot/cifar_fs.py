"""CIFAR-FS and FC-100: the hundred classes of CIFAR-100, divided into classes to train, validate and test on."""

from pathlib import Path

import torch

from ..data.splits import Split
from ..errors import UserError
from ..task.cifar_svhn import read_colour_images
from .class_images import ClassImages, ImageEpisodes, Rotations, standardised
from .episode import SplitName

_TRAIN = """
    apple aquarium_fish bear bee bottle bowl boy bridge bus can castle caterpillar chair clock cloud cockroach
    couch cup dinosaur dolphin elephant forest girl hamster house kangaroo keyboard lawn_mower lion lizard lobster
    mountain mouse mushroom oak_tree orange orchid palm_tree pear pine_tree plate porcupine possum rabbit raccoon
    ray road seal shrew skunk skyscraper snake spider squirrel streetcar sunflower tank tiger train trout tulip
    turtle willow_tree wolf
"""
_VALID = """
    beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle otter sea shark
    television tractor
"""
_TEST = """
    baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail sweet_pepper table
    telephone wardrobe whale woman worm
"""

CIFAR_FS: dict[SplitName, tuple[str, ...]] = {
    "train": tuple(_TRAIN.split()),
    "valid": tuple(_VALID.split()),
    "test": tuple(_TEST.split()),
}
"""The split of Bertinetto et al. 2019, 64, 16 and 20 classes."""

CLASSES = tuple(sorted(name for names in CIFAR_FS.values() for name in names))
"""The classes of CIFAR-100 in the order of its labels, which is that of the alphabet."""

SUPERCLASSES: dict[SplitName, dict[str, tuple[str, ...]]] = {
    "valid": {
        "large carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
        "large omnivores and herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
        "non-insect invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
        "small mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    },
    "test": {
        "aquatic mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
        "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
        "medium mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
        "people": ("baby", "boy", "girl", "man", "woman"),
    },
}
"""The superclasses that FC-100 holds out (Oreshkin et al. 2018); the other twelve, 60 classes, are to train on."""

_HELD_OUT = {split: tuple(n for names in parts.values() for n in names) for split, parts in SUPERCLASSES.items()}

FC100: dict[SplitName, tuple[str, ...]] = {
    "train": tuple(name for name in CLASSES if all(name not in names for names in _HELD_OUT.values())),
    **_HELD_OUT,
}
"""The split of FC-100, 60, 20 and 20 classes."""

PER_CLASS = 600


def cifar_fs(
    data_dir: Path,
    *,
    ways: int,
    shots: int,
    queries: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    rotations: Rotations = "none",
) -> ImageEpisodes:
    """Episodes of CIFAR-FS: 32x32 photographs, 600 of each class; channels standardised by those of the train classes.

    Args:
        data_dir: folder with torchvision's `cifar-100-python`, or to download it to (170 MB).
        ways, shots, queries, seed, rotations: see `ImageEpisodes`.
        device: holds the images, and draws.

    Raises:
        UserError: the files there cannot be read; or as `ImageEpisodes`.
        Failure: the download failed, or torchvision cannot be imported.

    Source:
        Bertinetto, Henriques, Torr and Vedaldi 2019, "Meta-learning with differentiable closed-form solvers".
    """
    return _episodes("cifar-fs", CIFAR_FS, data_dir, ways, shots, queries, seed, device, rotations)


def fc100(
    data_dir: Path,
    *,
    ways: int,
    shots: int,
    queries: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    rotations: Rotations = "none",
) -> ImageEpisodes:
    """Episodes of FC-100, whose splits share no superclass; all else as in `cifar_fs`.

    Source:
        Oreshkin, Rodriguez and Lacoste 2018, "TADAM: Task dependent adaptive metric for improved few-shot learning".
    """
    return _episodes("fc100", FC100, data_dir, ways, shots, queries, seed, device, rotations)


def _episodes(
    name: str,
    splits: dict[SplitName, tuple[str, ...]],
    data_dir: Path,
    ways: int,
    shots: int,
    queries: int,
    seed: int,
    device: torch.device | str,
    rotations: Rotations,
) -> ImageEpisodes:
    numbers = {split: tuple(CLASSES.index(each) for each in names) for split, names in splits.items()}
    images = by_class(*read_colour_images("cifar100", data_dir), f"CIFAR-100 in {data_dir}")
    images = standardised(images, numbers["train"])
    images = images._replace(pixels=images.pixels.to(device))
    return ImageEpisodes(name, images, numbers, ways, shots, queries, seed, rotations)


def by_class(train: Split, test: Split, where: str) -> ClassImages:
    """Puts the images of CIFAR-100's train and test partitions together, and in the order of their classes.

    Args:
        train, test: `[n, channels, height, width]` from 0 to 255, and classes from 0 to 99.
        where: the files, for errors.

    Raises:
        UserError: there are not 600 images of each class.
    """
    labels = torch.cat([train.y, test.y])
    counts = labels.bincount(minlength=len(CLASSES)).tolist()
    if len(counts) != len(CLASSES) or set(counts) != {PER_CLASS}:
        raise UserError(
            f"{where} has classes of {min(counts)} to {max(counts)} images, expected {PER_CLASS} of each of "
            f"{len(CLASSES)} classes; delete its files and run again."
        )
    pixels = torch.cat([part.x.to(torch.uint8) for part in (train, test)])
    channels = pixels.shape[1]
    ordered = pixels[labels.argsort(stable=True)]
    return ClassImages(ordered, tuple(counts), CLASSES, (0.0,) * channels, (1.0,) * channels)
