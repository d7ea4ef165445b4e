"""Opens a folder of `.npy` files: inputs are memory-mapped, and read while a model trains."""

from pathlib import Path

import numpy as np

from ..errors import UserError, reason
from .limits import check_memory, regular_file
from .npz import Arrays

PARTS = ("train", "valid", "test")


def is_npy_folder(path: Path) -> bool:
    """Whether a folder holds arrays rather than pictures."""
    return (path / "x_train.npy").is_file() or (path / "y_train.npy").is_file()


def open_npy_folder(path: Path, valid: Path | None = None) -> Arrays:
    """Opens `x_train.npy` and `y_train.npy`, and those of valid and test if present, files of `numpy.save`.

    Args:
        path: the folder.
        valid: another folder, whose `x_valid.npy` and `y_valid.npy` (or else `x.npy` and `y.npy`) are the clean data.

    Returns:
        The arrays by name; inputs are `numpy.memmap`, targets are in memory.

    Raises:
        UserError: a file is missing, cannot be read or holds objects; or both folders have clean data.
    """
    arrays: Arrays = {}
    for part in PARTS:
        arrays |= _pair(path, {f"x_{part}": f"x_{part}", f"y_{part}": f"y_{part}"}, needed=part == "train")
    if valid is None:
        return arrays
    if "x_valid" in arrays:
        raise UserError(f"{path} has clean data of its own, x_valid.npy; leave --valid {valid} out.")
    found = _pair(valid, {"x_valid": "x_valid", "y_valid": "y_valid"}, needed=False)
    return arrays | (found or _pair(valid, {"x_valid": "x", "y_valid": "y"}, needed=True))


def _pair(folder: Path, names: dict[str, str], *, needed: bool) -> Arrays:
    """Opens the inputs and the targets of one part: `names` gives the file of each."""
    missing = [file for file in names.values() if not (folder / f"{file}.npy").exists()]
    if missing and (needed or len(missing) == 1):
        raise UserError(f"{folder} lacks {' and '.join(f'{file}.npy' for file in missing)}; save both with numpy.save.")
    return {} if missing else {name: _opened(folder / f"{file}.npy", name[0] == "x") for name, file in names.items()}


def _opened(path: Path, mapped: bool) -> np.ndarray:
    size = regular_file(path)
    if not mapped:
        check_memory(2 * size, str(path), "save class ids, or numbers of fewer bits")
    try:
        array: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"cannot read {path} ({reason(error)}); make it with numpy.save, without objects.") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path} is an archive; save one array with numpy.save.")
    return array
