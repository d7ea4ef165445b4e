"""Checkpoints: all that the next step needs, whole or not there.

A checkpoint is one safetensors file. Its name ends in the beginning of its own SHA-256, so that a file that was cut
short or changed is told from a whole one.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..types import Tensors
from .folder import clear_partial, write_bytes

KEPT = 2
FOLDER = "checkpoints"


class Checkpoint(NamedTuple):
    """What a run goes on from.

    Args:
        path: where it lies.
        tensors: by name, with the strides that they had: programs are compiled for them.
        facts: the rest, as JSON holds it.
    """

    path: Path
    tensors: Tensors
    facts: dict[str, Any]


def write_checkpoint(run: Path, number: int, tensors: Tensors, facts: dict[str, Any]) -> Path:
    """Write a checkpoint of a run, and remove all but the last two.

    Args:
        run: the run folder.
        number: of steps done; later checkpoints have greater ones.
        tensors, facts: what it holds.

    Returns:
        Its path.

    Raises:
        OSError: no room, or no permission; the checkpoints before it stay.
    """
    plain = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    strides = {name: t.stride() for name, t in tensors.items() if not t.is_contiguous()}
    content = save(plain, {"facts": json.dumps(facts), "strides": json.dumps(strides)})
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{number:09d}-{_digest(content)}.safetensors"
    write_bytes(path, content)
    for old in _by_age(folder)[:-KEPT]:
        old.unlink()
    clear_partial(folder)
    return path


def read_checkpoint(run: Path) -> tuple[Checkpoint | None, list[Path]]:
    """The last checkpoint of a run that is whole, and the later ones that are not.

    Returns:
        The checkpoint, None where no whole one is there; the paths of damaged ones.
    """
    damaged: list[Path] = []
    for path in reversed(_by_age(run / FOLDER)):
        found = _read(path)
        if found is not None:
            return found, damaged
        damaged.append(path)
    return None, damaged


def remove_checkpoints(run: Path) -> None:
    """A run that has ended needs none."""
    folder = run / FOLDER
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _by_age(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _read(path: Path) -> Checkpoint | None:
    try:
        content = path.read_bytes()
        if _digest(content) != path.stem.rpartition("-")[2]:
            return None
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        facts, strides = json.loads(header["facts"]), json.loads(header["strides"])
        tensors = {name: _laid_out(t, strides.get(name)) for name, t in load(content).items()}
    except (OSError, ValueError, KeyError, SafetensorError):
        return None
    return Checkpoint(path, tensors, facts)


def _laid_out(tensor: torch.Tensor, stride: list[int] | None) -> torch.Tensor:
    """A copy in memory of torch's own, aligned as torch aligns it, with the given strides."""
    if stride is None:
        return tensor.clone()
    return torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)
