"""Reads a text of the user's own: its characters, as numbers, in windows that overlap without being copied."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import UserError, reason
from .limits import check_memory, regular_file

BYTES_READ = 20
"""Bytes of memory that each byte of the file takes, once it is numbers."""

CODES = 0x110000
"""Characters of Unicode."""


def read_text(path: Path) -> str:
    """Reads a text in UTF-8, exactly: line endings stay as they are, and only a byte order mark is left out.

    Raises:
        UserError: it cannot be read, is empty, is not UTF-8, or is no text: it holds a zero byte.
    """
    size = regular_file(path)
    check_memory(BYTES_READ * size, str(path), "give a part of it")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror or reason(error)}).") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}, is not UTF-8 (byte {error.start:,}, {content[error.start : error.start + 1]!r}); "
            f"save it as UTF-8, such as: iconv -f latin1 -t utf-8 {path.name} > new.txt"
        ) from error
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise UserError(f"{path}, line {line}, holds a zero byte, so that it is no text; give a text in UTF-8.")
    return text


def codes_of(text: str) -> np.ndarray:
    """Returns the code points of a text, whole numbers `[characters]`.

    Raises:
        UserError: it holds half of a surrogate pair, which is no character.
    """
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise UserError(f"a text holds {text[error.start]!a}, which is no character; remove it.") from error


def vocabulary_of(*texts: str) -> list[str]:
    """Returns the different characters of texts, in the order of their code points.

    Example:
        >>> vocabulary_of("banana", "bread")
        ['a', 'b', 'd', 'e', 'n', 'r']
    """
    known = np.zeros(CODES, bool)
    for text in texts:
        known[codes_of(text)] = True
    return [chr(code) for code in np.flatnonzero(known).tolist()]


def ids_of(text: str, vocabulary: list[str], where: str = "the text") -> torch.Tensor:
    """Returns the number of each character in a vocabulary, `[characters]`, int64.

    Args:
        text: the characters.
        vocabulary: as `vocabulary_of` returns it.
        where: the name of the text, for the error.

    Raises:
        UserError: a character that is not in the vocabulary.

    Example:
        >>> ids_of("bad", ["a", "b", "d"])
        tensor([1, 0, 2])
    """
    known, codes = codes_of("".join(vocabulary)), codes_of(text)
    ids = np.searchsorted(known, codes).clip(max=len(known) - 1)
    if (unknown := known[ids] != codes).any():
        place = int(unknown.argmax())
        line, odd = text.count("\n", 0, place) + 1, text[place]
        raise UserError(
            f"{where}, line {line}, holds {odd!a} (U+{ord(odd):04X}), which is none of the {len(vocabulary)} "
            "characters that the model knows; remove it."
        )
    return torch.from_numpy(ids)


def windows(ids: torch.Tensor, length: int, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns windows of a text, and for each of their characters the one that follows: views, of which none is copied.

    Args:
        ids: `[characters]`, more than `length` of them.
        length: characters of a window.
        stride: characters from one window to the next.

    Returns:
        x and y, both `[windows, length]`; y[i, j] is the character after x[i, j].

    Example:
        >>> windows(torch.arange(6), 2, 2)
        (tensor([[0, 1],
                [2, 3]]), tensor([[1, 2],
                [3, 4]]))
    """
    return ids[:-1].unfold(0, length, stride), ids[1:].unfold(0, length, stride)


def moved(tensor: Any, device: torch.device) -> Any:
    """Moves a tensor to a device; one that overlaps itself, as `windows` do, without a copy for each window."""
    if not isinstance(tensor, torch.Tensor):
        return tensor.to(device)
    behind = tensor.untyped_storage().nbytes() // tensor.element_size()
    if tensor.device == device or tensor.numel() <= behind:
        return tensor.to(device)
    base = torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(tensor.untyped_storage())
    return base.to(device).as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
