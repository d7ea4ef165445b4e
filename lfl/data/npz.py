"""Reads a user's own arrays from a `.npz` file; sizes and types are checked before anything is unpacked."""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import LflError, UserError, reason
from .limits import COPIES, check_memory, regular_file
from .quoting import shortened

Arrays = dict[str, np.ndarray]
"""`x_train` and `y_train`; and `x_valid`, `y_valid`, `x_test`, `y_test` if the data have these parts."""

KINDS = "fiubSU"
"""numpy's letters for the types that are read: numbers and words."""


def read_npz(path: Path, valid: Path | None = None) -> Arrays:
    """Reads `x_train` and `y_train`, and the arrays of valid and test if present, from a file of `numpy.savez`.

    Args:
        path: the file.
        valid: another such file, whose `x_valid` and `y_valid` (or else `x` and `y`) are the clean data.

    Raises:
        UserError: a file cannot be read, lacks an array, holds anything but numbers and words, or is too large; or both
            have clean data.
    """
    arrays = read_arrays(path, ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"))
    missing = sorted({"x_train", "y_train"} - arrays.keys())
    if missing:
        raise UserError(f"{path} lacks {' and '.join(missing)}; save arrays x_train, y_train, x_test, y_test.")
    if valid is None:
        return arrays
    if arrays.keys() & {"x_valid", "y_valid"}:
        raise UserError(f"{path} has clean data of its own, x_valid and y_valid; leave --valid {valid} out.")
    return arrays | _read_valid(valid)


def _read_valid(path: Path) -> Arrays:
    arrays = read_arrays(path, ("x_valid", "y_valid", "x", "y"))
    end = "_valid" if arrays.keys() & {"x_valid", "y_valid"} else ""
    missing = [name for name in (f"x{end}", f"y{end}") if name not in arrays]
    if missing:
        raise UserError(f"{path} lacks {' and '.join(missing)}; save clean data as x_valid and y_valid, or x and y.")
    return {"x_valid": arrays[f"x{end}"], "y_valid": arrays[f"y{end}"]}


def read_arrays(path: Path, names: tuple[str, ...]) -> Arrays:
    """Reads the arrays called `names` that a file of `numpy.savez` holds.

    Raises:
        UserError: it cannot be read, holds anything but numbers and words, or is too large for the memory.
    """
    regular_file(path)
    try:
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise UserError(f"{path} is one array of numpy.save; put arrays into a .npz with numpy.savez.")
            with zipfile.ZipFile(file) as archive:
                return _unpacked(path, archive, names)
    except LflError:
        raise
    except Exception as error:  # a damaged archive raises nearly anything
        raise UserError(
            f"cannot read {path} ({shortened(reason(error), 200)}); make it with numpy.savez, without objects."
        ) from error


def _unpacked(path: Path, archive: zipfile.ZipFile, names: tuple[str, ...]) -> Arrays:
    held = [info for info in archive.infolist() if info.filename.removesuffix(".npy") in names]
    found = {info.filename.removesuffix(".npy"): info for info in held}
    if len(found) < len(held):
        raise UserError(f"{path} holds two arrays of one name; save each once.")
    needed = 0
    for name, info in found.items():
        if info.flag_bits & 1:
            raise UserError(f"{path} is encrypted; make it with numpy.savez.")
        with archive.open(info) as member:
            needed += _checked(f"{path}: {name}", member, info.file_size)
    check_memory(COPIES * needed, str(path), "save fewer rows or columns, or numbers of fewer bits (float32, uint8)")
    arrays = {}
    for name, info in found.items():
        with archive.open(info) as member:
            arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
    return {name: arrays[name] for name in names if name in arrays}


def _checked(what: str, member: IO[bytes], size: int) -> int:
    """Checks the header of an array, and returns the bytes that it takes in training.

    Args:
        what: name of the array, for errors.
        member: the file of the array, at its start.
        size: bytes of it, by the archive's list.
    """
    if np.lib.format.read_magic(member) != (1, 0):  # later versions are for records
        raise UserError(f"cannot read {what}: it holds records; save numbers or words with numpy.savez.")
    shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    if dtype.kind not in KINDS:
        raise UserError(f"cannot read {what}: it is of type {dtype}; save numbers or words with numpy.savez.")
    count = math.prod(shape)
    if min((0, *shape)) < 0 or count * dtype.itemsize != size - member.tell():
        raise UserError(
            f"cannot read {what}: its header says {list(shape)} of {dtype}, and {size - member.tell()} bytes follow; "
            "make the file anew with numpy.savez."
        )
    return count * max(dtype.itemsize, np.dtype(np.float32).itemsize)
