"""Writes and reads checkpoints: everything that the next step needs.

A checkpoint is one safetensors file. Its name ends in the beginning of its own SHA-256, so that a file that was cut
short or changed is recognised.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from msgspec import to_builtins
from safetensors.torch import save

from ..boundary import MEBIBYTE, converted, parse_json, parse_tensors, read_bytes
from ..errors import LflError, UserError
from ..trees import named, refill
from ..types import Tensors, Tree
from .folder import check_plain, clear_partial, write_bytes
from .schema import Left

KEPT = 2
FOLDER = "checkpoints"
MOST = 64 * 1024 * MEBIBYTE


class Checkpoint(NamedTuple):
    """A checkpoint as it was read.

    Args:
        path: of the file.
        tensors: by name, with their strides: programs are compiled for them.
        left: where training was.
    """

    path: Path
    tensors: Tensors
    left: Left

    def part(self, prefix: str) -> Tensors:
        """The tensors whose names begin with a prefix, without it."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}

    def state(self, like: Tree, of: str) -> Tree:
        """The state of training, which must have the structure of `like`, on the device of `like`.

        Raises:
            UserError: it is of another run, which the words `of` describe.
        """
        wanted, found = named(like), self.part("state")
        if {name: (t.shape, t.dtype) for name, t in wanted.items()} != {
            name: (t.shape, t.dtype) for name, t in found.items()
        }:
            raise UserError(f"{self.path} is of another {of} than config.json; it cannot be resumed.")
        return refill(like, {name: t.to(wanted[name].device) for name, t in found.items()})


def write_checkpoint(run: Path, number: int, tensors: Tensors, left: Left) -> Path:
    """Writes a checkpoint of a run, and removes all but the last two.

    Args:
        run: the run folder.
        number: steps that are done; later checkpoints have greater numbers.
        tensors, left: its content.

    Returns:
        Its path.

    Raises:
        OSError: no room, or no permission; earlier checkpoints stay.
    """
    plain = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    strides = {name: t.stride() for name, t in tensors.items() if not t.is_contiguous()}
    content = save(plain, {"facts": json.dumps(to_builtins(left)), "strides": json.dumps(strides)})
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{number:09d}-{_digest(content)}.safetensors"
    write_bytes(path, content)
    for old in _by_age(folder)[:-KEPT]:
        old.unlink()
    clear_partial(folder)
    return path


def read_checkpoint(run: Path, most: int = MOST) -> tuple[Checkpoint | None, list[Path]]:
    """Reads the last whole checkpoint of a run.

    Args:
        run: the run folder.
        most: bytes that a checkpoint may have.

    Returns:
        The checkpoint, None without a whole one; and the paths of later ones, which are damaged.
    """
    damaged: list[Path] = []
    for path in reversed(_by_age(run / FOLDER)):
        found = _read(path, most)
        if found is not None:
            return found, damaged
        damaged.append(path)
    return None, damaged


def remove_checkpoints(run: Path) -> None:
    """Removes the checkpoints of a run that has ended.

    Raises:
        UserError: a symbolic link is there, which may lead to somebody else's files.
    """
    folder = run / FOLDER
    if folder.is_symlink():
        raise UserError(f"{folder} is a symbolic link; a run folder holds its files itself. Remove it.")
    check_plain(folder)
    if folder.is_dir():
        for path in [*_by_age(folder), *folder.glob(".*.partial")]:
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def _by_age(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _read(path: Path, most: int) -> Checkpoint | None:
    """Reads a checkpoint; None where it is damaged, or was not written by lfl."""
    try:
        content = read_bytes(path, most)
        if _digest(content) != path.stem.rpartition("-")[2]:
            return None
        tensors = parse_tensors(content, path)
        start, where = 8 + int.from_bytes(content[:8], "little"), str(path)
        about = converted(parse_json(content[8:start], where), dict[str, Any], where).get("__metadata__")
        about = converted(about, dict[str, str], where)
        strides = converted(parse_json(about.get("strides", "{}").encode(), where), dict[str, list[int]], where)
        left = converted(parse_json(about.get("facts", "").encode(), where), Left, where)
        return Checkpoint(path, {name: _laid_out(t, strides.get(name)) for name, t in tensors.items()}, left)
    except LflError:
        return None


def _laid_out(tensor: torch.Tensor, stride: list[int] | None) -> torch.Tensor:
    """Copies a tensor into memory that torch has aligned, with the given strides."""
    if stride is None:
        return tensor.clone()
    extent = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, stride, strict=False))
    if len(stride) != tensor.dim() or min(stride, default=0) < 0 or extent > max(1, tensor.numel()):
        raise UserError("strides that do not fit their tensor")
    return torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)
