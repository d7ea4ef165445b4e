"""A user's own arrays and pictures."""

import zipfile
from pathlib import Path

import numpy as np

from ..errors import UserError, reason

Arrays = dict[str, np.ndarray]
"""`x_train`, `y_train`, and where there is a test partition `x_test`, `y_test`."""

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp"}


def read_npz(path: Path) -> Arrays:
    """`x_train` and `y_train`, and `x_test` and `y_test` where they are there, from a file of `numpy.savez`.

    Raises:
        UserError: it cannot be read, lacks an array, or holds Python objects.
    """
    arrays = read_arrays(path, ("x_train", "y_train", "x_test", "y_test"))
    missing = sorted({"x_train", "y_train"} - arrays.keys())
    if missing:
        raise UserError(f"{path} lacks {' and '.join(missing)}; save arrays x_train, y_train, x_test, y_test.")
    return arrays


def read_arrays(path: Path, names: tuple[str, ...]) -> Arrays:
    """Those arrays of a file of `numpy.savez` that are there.

    Raises:
        UserError: it cannot be read, or holds Python objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in names if name in content}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"cannot read {path} ({reason(error)}); make it with numpy.savez, without objects.") from error


def read_folder(path: Path) -> Arrays:
    """Pictures in `train/CLASS/` and `test/CLASS/` (or in `CLASS/` alone), all of one size, as `[n, 3, h, w]`.

    Raises:
        UserError: no such folders, a file that is no picture, or pictures of several sizes.
    """
    if not path.is_dir():
        raise UserError(f"{path} is no folder; give one with train/ and test/, and in each a folder a class.")
    parts = {"train": path / "train", "test": path / "test"} if (path / "train").is_dir() else {"train": path}
    arrays: Arrays = {}
    size: tuple[int, ...] | None = None
    for part, folder in parts.items():
        if not folder.is_dir():
            continue
        files = sorted(file for file in folder.glob("*/*") if file.suffix.lower() in PICTURES)
        if not files:
            raise UserError(f"{folder} has no pictures; put them into a folder for each class.")
        pictures = [_picture(file) for file in files]
        size = size or pictures[0].shape
        for file, picture in zip(files, pictures, strict=True):
            if picture.shape != size:
                raise UserError(
                    f"{file} is {picture.shape[1]}x{picture.shape[0]} pixels and others {size[1]}x{size[0]}; resize."
                )
        arrays[f"x_{part}"] = np.stack(pictures).transpose(0, 3, 1, 2)
        arrays[f"y_{part}"] = np.array([file.parent.name for file in files])
    return arrays


def _picture(file: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError  # matplotlib brings it; slow to import

    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(f"{file} is no picture that can be read ({reason(error)}); remove it.") from error
