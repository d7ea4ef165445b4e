"""Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people; downloaded once, as 28x28 pixels."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from ..data.download import downloading, torchvision_datasets
from ..data.limits import regular_file
from ..data.quoting import shortened
from ..errors import Failure, UserError, one_of, reason
from ..randomness import choices
from .class_images import ClassImages, ImageEpisodes, Rotations
from .episode import SplitName

FOLDER = "omniglot-py"
PARTS = {"images_background": 964, "images_evaluation": 659}
"""The folders of torchvision's download, and the characters in each."""

KEPT = "28x28.npy"
DRAWINGS = 20
SIDE = 105
SMALL = 28
SHA256 = "b8bc109636cdef97f229edd4404519456a3efcc9b7f739398423143738542d16"
"""Of the bytes of all small images, in the order of the names of characters and drawings."""

OmniglotSplit = Literal["vinyals", "random"]

VALID_ALPHABETS = ("Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)")
TEST_ALPHABETS = (
    *("Kannada", "Keble", "Malayalam", "Manipuri", "Mongolian", "Old_Church_Slavonic_(Cyrillic)"),
    *("Oriya", "Syriac_(Serto)", "Sylheti", "Tengwar", "Tibetan", "ULOG"),
)
DIVIDED = "Gurmukhi"
FIRST_OF_TEST = 42
"""The split of Vinyals et al. goes by alphabet, but for Gurmukhi, whose characters from 42 on are in test."""

NUM_TRAIN, NUM_VALID = 1100, 100
"""Of the random split: 1,200 characters, of which 100 are for validation, and 423 for test."""


def omniglot(
    data_dir: Path,
    *,
    ways: int,
    shots: int,
    queries: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    rotations: Rotations = "classes",
    split: OmniglotSplit = "vinyals",
) -> ImageEpisodes:
    """Episodes of handwritten characters: ink is 1 and paper 0, 28x28 pixels by area average.

    Args:
        data_dir: folder with `omniglot-py`, as torchvision makes it, or to download it to (10 MB).
        ways, shots, queries, seed, rotations: see `ImageEpisodes`.
        device: holds the images, and draws.
        split: `"vinyals"`, by alphabet: 1,028 characters to train, 172 for validation and 423 for test; or `"random"`,
            1,100, 100 and 423, the same for all seeds.

    Raises:
        UserError: the files there are not Omniglot's; or as `ImageEpisodes`.
        Failure: the download failed, or torchvision, which downloads, cannot be imported.

    Source:
        Lake, Salakhutdinov and Tenenbaum 2015; Vinyals et al. 2016; the random split as in Finn et al. 2017.
    """
    one_of("split of omniglot", split, list(get_args(OmniglotSplit)))
    images = read_omniglot(data_dir)
    images = images._replace(pixels=images.pixels.to(device))
    return ImageEpisodes("omniglot", images, _SPLITS[split](images.names), ways, shots, queries, seed, rotations)


def read_omniglot(data_dir: Path) -> ClassImages:
    """Reads all 1,623 characters, `[32460, 1, 28, 28]`, in the order of their names.

    The small images are kept in a file beside the folders, since reading 32,460 pictures takes a while.
    """
    folder = data_dir / FOLDER
    if not all((folder / part).is_dir() for part in PARTS):
        _download(data_dir)
    characters = [character for part, count in PARTS.items() for character in _characters(folder / part, count)]
    characters.sort(key=_name_of)
    pixels = _kept(folder / KEPT)
    if pixels is None:
        pixels = np.stack([_drawings(character) for character in characters])
        _check(pixels, folder)
        # In a folder that cannot be written the pictures are read again next time.
        with suppress(Failure), downloading("omniglot", folder, "read it again") as scratch:
            np.save(scratch / KEPT, pixels)
            os.replace(scratch / KEPT, folder / KEPT)
    names = tuple(map(_name_of, characters))
    flat = torch.from_numpy(pixels).reshape(-1, 1, SMALL, SMALL)
    return ClassImages(flat, (DRAWINGS,) * len(names), names, (0.0,), (1.0,))


def _name_of(character: Path) -> str:
    return f"{character.parent.name}/{character.name}"


def _characters(part: Path, expected: int) -> list[Path]:
    found = [path for path in part.glob("*/*") if path.is_dir()]
    if len(found) != expected:
        raise UserError(
            f"{part} has {len(found)} characters, expected {expected} as ALPHABET/CHARACTER folders. Delete "
            f"{part.parent} and run again to download it anew."
        )
    return found


def _drawings(character: Path) -> np.ndarray:
    """Returns the drawings of a character, `[20, 28, 28]` uint8, ink 255.

    15/4 pixels become one: each is repeated four times, and blocks of 15 are averaged, which is exact.
    """
    from PIL import Image  # slow to import

    files = sorted(character.glob("*.png"))
    if len(files) != DRAWINGS:
        raise UserError(f"{character} has {len(files)} drawings, expected {DRAWINGS}; download Omniglot anew.")
    ink = np.empty((DRAWINGS, SIDE, SIDE), dtype=np.int32)
    for i, file in enumerate(files):
        regular_file(file)
        try:
            with Image.open(file, formats=("PNG",)) as picture:
                if picture.size != (SIDE, SIDE):
                    raise ValueError(f"{picture.size[0]}x{picture.size[1]} pixels, expected {SIDE}x{SIDE}")
                ink[i] = ~np.asarray(picture.convert("1"))
        except Exception as error:  # a damaged picture raises nearly anything
            raise UserError(
                f"{file} is not a drawing of Omniglot ({shortened(reason(error), 200)}); download it anew."
            ) from error
    fine = ink.repeat(4, 1).repeat(4, 2)
    inked = fine.reshape(DRAWINGS, SMALL, 15, SMALL, 15).sum((2, 4))  # of 225
    small: np.ndarray = ((inked * 510 + 225) // 450).astype(np.uint8)
    return small


def _kept(path: Path) -> np.ndarray | None:
    """Returns the kept images; None where there are none, or others."""
    try:
        pixels: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if _digest(pixels) == SHA256 else None


def _check(pixels: np.ndarray, folder: Path) -> None:
    found = _digest(pixels)
    if found != SHA256:
        raise UserError(
            f"the pictures in {folder} are not Omniglot's: SHA-256 of all {found}, expected {SHA256}. Delete the "
            "folder and run again to download it anew."
        )


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _download(data_dir: Path) -> None:
    datasets = torchvision_datasets("omniglot")
    folder = data_dir / FOLDER
    with downloading("omniglot", data_dir, f"put the folders {' and '.join(PARTS)} into {folder}") as scratch:
        for background in (True, False):
            datasets.Omniglot(scratch, background=background, download=True)
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            if not (folder / part).is_dir():
                os.replace(scratch / FOLDER / part, folder / part)


def _by_alphabet(names: tuple[str, ...]) -> dict[SplitName, tuple[int, ...]]:
    splits: dict[SplitName, list[int]] = {"train": [], "valid": [], "test": []}
    for number, name in enumerate(names):
        alphabet, character = name.split("/")
        if alphabet in TEST_ALPHABETS or (alphabet == DIVIDED and int(character[-2:]) >= FIRST_OF_TEST):
            splits["test"].append(number)
        else:
            splits["valid" if alphabet in VALID_ALPHABETS else "train"].append(number)
    return {split: tuple(numbers) for split, numbers in splits.items()}


def _at_random(names: tuple[str, ...]) -> dict[SplitName, tuple[int, ...]]:
    order = list(range(len(names)))
    choices(0, "split of omniglot").shuffle(order)
    valid = NUM_TRAIN + NUM_VALID
    return {"train": tuple(order[:NUM_TRAIN]), "valid": tuple(order[NUM_TRAIN:valid]), "test": tuple(order[valid:])}


_SPLITS = {"vinyals": _by_alphabet, "random": _at_random}
