"""Safe reading of files that lfl did not write itself: plain files of a limited size, with values of declared types.

Anything else in a file is a `UserError` that names the file. Nothing that is read here can run code.
"""

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from safetensors.torch import load

from .errors import UserError, reason
from .types import Tensors

T = TypeVar("T")

LARGEST = 2**63 - 1
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
"""A whole number of at least 0 that fits 64 bits."""

Positive = Annotated[int, Meta(ge=1, le=LARGEST)]
"""A whole number of at least 1 that fits 64 bits."""

MEBIBYTE = 2**20
MOST_TEXT = 256 * MEBIBYTE
"""Greatest size of a text file in a run folder, in bytes; metrics are the longest."""

HEADER = 100 * MEBIBYTE
"""Greatest size of the header of a safetensors file, in bytes."""

ANOTHER = "name a folder that lfl train made"


def read_bytes(path: Path, most: int = MOST_TEXT, remedy: str = ANOTHER) -> bytes:
    """Returns the content of a plain file.

    Args:
        path: of the file; neither a symbolic link nor a device, pipe or socket.
        most: greatest size in bytes.
        remedy: end of the error message, what to do next.

    Raises:
        UserError: it cannot be read, is not a plain file, or is larger.
    """
    only = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        linked = path.is_symlink()
        descriptor = -1 if linked else os.open(path, only)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}); {remedy}.") from error
    if linked:
        raise UserError(f"{path} is a symbolic link, which is not followed; put the file itself there.")
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise UserError(f"cannot read {path} (it is not a plain file); {remedy}.")
    with open(descriptor, "rb") as file:
        if facts.st_size > most:
            raise UserError(f"{path} has {facts.st_size:,} bytes, more than the {most:,} that belong there; {remedy}.")
        return file.read()


def read_json(path: Path, as_type: type[T]) -> T:
    """Returns the content of a JSON file as a value of a type; fields that the type does not declare are dropped.

    Raises:
        UserError: it cannot be read, is not JSON, or is of another type.
    """
    return converted(parse_json(read_bytes(path), str(path)), as_type, str(path))


def parse_json(content: bytes, where: str) -> Any:
    """Returns the value of a JSON text; NaN and Infinity, which Python writes, are read too.

    Raises:
        UserError: it is not JSON, is nested too deep, or holds text that cannot be encoded; the message names `where`.
    """
    try:
        value = json.loads(content)
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON ({reason(error)}); the run cannot be used.") from error
    return value


def converted(value: Any, as_type: type[T], where: str) -> T:
    """Converts a value to a type that msgspec knows: a Struct, a NamedTuple, a dict.

    Raises:
        UserError: the value is of another type; the message names `where`.
    """
    try:
        return msgspec.convert(value, as_type)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{where} is damaged ({reason(error)}); the run cannot be used.") from error


def read_npz(path: Path, names: Sequence[str], most: int) -> dict[str, NDArray[Any]]:
    """Returns arrays of a file of `numpy.savez`, without pickles; sizes are checked before anything is unpacked.

    Args:
        path: of the file.
        names: of the arrays, which must be there; others are not read.
        most: greatest size of these arrays together, in bytes.

    Raises:
        UserError: it cannot be read, lacks an array, is damaged or too large.
    """
    content = read_bytes(path, most + HEADER)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {name: file.getinfo(f"{name}.npy") for name in names}
            if sum(member.file_size for member in members.values()) > most:
                raise ValueError(f"its arrays have more than {most:,} bytes")
            return {name: _array(file.read(member)) for name, member in members.items()}
    except Exception as error:  # readers of zip and npy raise nearly anything where a file is damaged
        raise UserError(f"{path} is damaged ({reason(error)}); make the run again, or leave it out.") from error


def _array(content: bytes) -> NDArray[Any]:
    """An array, read after a check that its header declares as many bytes as there are."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"an array of {dtype} {list(shape)} does not fit its file")
    file.seek(0)
    array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def parse_tensors(content: bytes, path: Path) -> Tensors:
    """Returns the tensors of a safetensors file.

    Raises:
        UserError: it is damaged.
    """
    try:
        return load(content)
    except Exception as error:  # the format's own error, and torch's where a size or a type is one that it cannot have
        raise UserError(f"{path} is corrupt ({reason(error)}); the run cannot be used.") from error


def num_bytes(tensors: Tensors) -> int:
    """Bytes that the values of tensors take."""
    return sum(t.numel() * t.element_size() for t in tensors.values())
