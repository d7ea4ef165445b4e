"""Reads a user's own pictures from a folder with one folder for each class."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LflError, UserError, reason
from .limits import COPIES, check_memory, regular_file
from .npz import Arrays
from .quoting import shortened

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp"}
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP")
"""Formats that Pillow may read, whatever the file is called: reading none of these starts another program."""

MOST_PIXELS = 2**26
"""The largest picture that is read: 8192 x 8192."""

SIXTEEN_BITS = 65535
EIGHT_BITS = 255


def read_folder(path: Path, valid: Path | None = None) -> Arrays:
    """Reads pictures in `train/CLASS/`, `valid/CLASS/` and `test/CLASS/` (or in `CLASS/` alone) as `[n, 3, h, w]`.

    Values go from 0 to 255. Values of 16 bits are divided by 257 without rounding, so that a picture is read as the
    same one in 8 bits.

    Args:
        path: of the folder.
        valid: another folder, whose `CLASS/` hold the clean data.

    Raises:
        UserError: no such folders, a file that is not a picture or cannot be read exactly (transparent pixels, floats,
            several frames), pictures of several sizes, or too little memory; or both folders have clean data.
    """
    if not os.path.isdir(path):
        raise UserError(f"{path} is not a folder; give one with train/ and test/, and in each a folder for each class.")
    parted = (path / "train").is_dir()
    parts = {part: path / part for part in ("train", "valid", "test")} if parted else {"train": path}
    if valid is not None:
        if parted and parts["valid"].is_dir():
            raise UserError(f"{path} has clean data of its own, in valid/; leave --valid {valid} out.")
        if not os.path.isdir(valid):
            raise UserError(f"{valid} is not a folder; give one with clean pictures in a folder for each class.")
        parts["valid"] = valid
    files = {part: class_files(folder) for part, folder in parts.items() if folder.is_dir()}
    first = next(iter(files.values()))[0]
    size = read_picture(first).shape
    needed = COPIES * sum(map(len, files.values())) * size[0] * size[1] * size[2] * np.dtype(np.float32).itemsize
    check_memory(needed, str(path), "make the pictures smaller, or give fewer")
    arrays: Arrays = {}
    for part, found in files.items():
        pictures = []
        for file in found:
            pictures.append(read_picture(file))
            if pictures[-1].shape != size:
                height, width = pictures[-1].shape[:2]
                raise UserError(f"{file} is {width}x{height} pixels and others are {size[1]}x{size[0]}; resize it.")
        arrays[f"x_{part}"] = np.stack(pictures).transpose(0, 3, 1, 2)
        arrays[f"y_{part}"] = np.array([file.parent.name for file in found])
    return arrays


def train_files(path: Path) -> list[Path]:
    """Lists the pictures that `read_folder` reads as `x_train`, in the same order."""
    return class_files(path / "train" if (path / "train").is_dir() else path)


def class_files(folder: Path) -> list[Path]:
    """Lists the pictures in `CLASS/` of a folder by their names; raises `UserError` if there are none."""
    files = sorted(file for file in folder.glob("*/*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{folder} has no pictures; put them into a folder for each class.")
    return files


def read_picture(file: Path) -> np.ndarray:
    """Reads a picture `[h, w, 3]`, values from 0 to 255: uint8, or float32 if the file has 16 bits."""
    from PIL import Image  # slow to import

    regular_file(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about sizes and metadata
            with Image.open(file, formats=FORMATS) as picture:
                return _pixels(picture, file)
    except LflError:
        raise
    except Exception as error:  # a damaged picture raises nearly anything
        raise UserError(
            f"{file} is not a picture that can be read ({shortened(reason(error), 200)}); remove it."
        ) from error


def _pixels(picture: Any, file: Path) -> np.ndarray:
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise UserError(f"{file} is {width}x{height} pixels, more than {MOST_PIXELS:,}; make it smaller.")
    if picture.format in ("PNG", "WEBP") and getattr(picture, "n_frames", 1) > 1:
        raise UserError(f"{file} holds {picture.n_frames} pictures; save one to a file.")
    stored = [str(tile[3]) for tile in picture.tile]  # how pixels are stored, such as "RGB;16B"
    if picture.mode == "F":
        raise UserError(f"{file} holds floating-point values of unknown range; save it in 8 or 16 bits.")
    if picture.mode.startswith("I"):
        grey = np.asarray(picture).astype(np.int64)
        if grey.min() < 0 or grey.max() > SIXTEEN_BITS:
            raise UserError(f"{file} holds numbers beyond 16 bits; save it in 8 or 16 bits.")
        transparent = picture.info.get("transparency")
        _refuse_transparent(file, transparent is not None and bool((grey == transparent).any()))
        return np.repeat(_eight_bits(grey)[:, :, None], 3, 2)
    if any(";16" in tile for tile in stored):
        _refuse_transparent(file, "transparency" in picture.info)
        return _colours_of_16_bits(file)
    if picture.format == "PPM" and any(isinstance(n, int) and n > EIGHT_BITS for t in picture.tile for n in _args(t)):
        raise UserError(f"{file} has colours in 16 bits, which are read only from .png; save it as .png, or in 8 bits.")
    if "transparency" in picture.info or "a" in picture.mode.lower():
        _refuse_transparent(file, bool((np.asarray(picture.convert("RGBA"))[:, :, 3] < EIGHT_BITS).any()))
    return np.asarray(picture.convert("RGB"))


def _args(tile: Any) -> tuple[Any, ...]:
    return tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def _colours_of_16_bits(file: Path) -> np.ndarray:
    """Reads colours of 16 bits with torchvision; Pillow would cut them to 8."""
    try:
        from torchvision.io import decode_image  # slow to import
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"{file} has colours in 16 bits, which are read by torchvision, and it cannot be imported "
            f"({shortened(reason(error), 200)}); install it, or save the picture in 8 bits."
        ) from error

    values = decode_image(str(file), mode="UNCHANGED").permute(1, 2, 0).numpy().astype(np.int64)
    if values.shape[2] in (2, 4):
        _refuse_transparent(file, bool((values[:, :, -1] < SIXTEEN_BITS).any()))
        values = values[:, :, :-1]
    return np.broadcast_to(_eight_bits(values), (*values.shape[:2], 3))


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Maps values of 16 bits to those of 8, without rounding: 257 becomes 1."""
    return (values / (SIXTEEN_BITS / EIGHT_BITS)).astype(np.float32)


def _refuse_transparent(file: Path, found: bool) -> None:
    """Raises `UserError` if transparent pixels were found: what lies behind them is not in the file."""
    if found:
        raise UserError(f"{file} has transparent pixels; give it a background of one colour and save it again.")
