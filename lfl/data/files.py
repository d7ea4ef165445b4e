"""A user's own files as arrays."""

import csv
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import UserError, reason

Arrays = dict[str, np.ndarray]
"""`x_train`, `y_train`, and where there is a test partition `x_test`, `y_test`."""

MISSING = {"", "?", "na", "nan", "null", "none"}
"""How tables write that a value is missing, in any case."""

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp"}


def read_npz(path: Path) -> Arrays:
    """`x_train` and `y_train`, and `x_test` and `y_test` where they are there, from a file of `numpy.savez`.

    Raises:
        UserError: it cannot be read, lacks an array, or holds Python objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in ("x_train", "y_train", "x_test", "y_test") if name in content}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"cannot read {path} ({reason(error)}); make it with numpy.savez, without objects.") from error
    missing = sorted({"x_train", "y_train"} - arrays.keys())
    if missing:
        raise UserError(f"{path} lacks {' and '.join(missing)}; save arrays x_train, y_train, x_test, y_test.")
    return arrays


def read_table(path: Path, target: str) -> Arrays:
    """A table with a line of names: `target` is predicted from the other columns.

    A column of numbers is one input, NaN where it is missing. A column of words becomes one input for each word, 1
    where it stands and 0 elsewhere; a missing word is a word of its own. Columns that are the same in every row are
    left out.

    Raises:
        UserError: it cannot be read, is no table, lacks the target, or has rows without it.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names, *rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({reason(error)}); give a table of comma-separated values.") from error
    except ValueError:
        raise UserError(f"{path} is empty; give a table with a line of names, and rows below it.") from None
    names = [name.strip() for name in names]
    if target not in names:
        raise UserError(f"{path} has no column {target!r}; it has: {', '.join(names)}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise UserError(f"{path}, line {number}: {len(row)} values for {len(names)} columns.")
    if not rows:
        raise UserError(f"{path} has names and no rows.")
    columns = {name: [row[i].strip() for row in rows] for i, name in enumerate(names)}
    wanted = columns.pop(target)
    for number, value in enumerate(wanted, start=2):
        if value.lower() in MISSING:
            raise UserError(f"{path}, line {number}: {target} is missing; remove that row.")
    inputs = [encoded for values in columns.values() for encoded in _encode(values)]
    if not inputs:
        raise UserError(f"{path} has no column beside {target!r} that differs between rows.")
    numbers = _numbers(wanted)
    return {"x_train": np.stack(inputs, 1), "y_train": np.array(wanted) if numbers is None else numbers}


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


def _encode(values: list[str]) -> Iterable[np.ndarray]:
    """A column as inputs."""
    numbers = _numbers(values)
    if numbers is not None:
        known = numbers[~np.isnan(numbers)]
        return [] if len(known) == 0 or ((known == known[0]).all() and len(known) == len(numbers)) else [numbers]
    words = sorted(set(values))
    return [] if len(words) == 1 else [np.array([value == word for value in values], float) for word in words]


def _numbers(values: list[str]) -> np.ndarray | None:
    """The column as numbers, NaN where one is missing; None where a value is no number."""
    try:
        return np.array([np.nan if value.lower() in MISSING else float(value) for value in values])
    except ValueError:
        return None
