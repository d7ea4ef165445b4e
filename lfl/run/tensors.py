"""Tensors of a run folder, which are those that its model or its loss has."""

from collections.abc import Set as AbstractSet
from pathlib import Path

import torch

from ..boundary import HEADER, num_bytes, parse_tensors, read_bytes
from ..errors import UserError
from ..types import Tensors


def read_tensors(
    path: Path, like: Tensors, ignored: AbstractSet[str] = frozenset(), *, finite: bool = False
) -> Tensors:
    """The tensors of a file, of the names, shapes and types of `like`.

    Args:
        path: of the file.
        like: what is expected; its values are not read.
        ignored: names that may be there too.
        finite: whether all values must be.

    Raises:
        UserError: they are others, or the file is damaged.
    """
    content = read_bytes(path, num_bytes(like) + HEADER)
    tensors = {name: t for name, t in parse_tensors(content, path).items() if name not in ignored}
    refuse_odd(tensors, like, path, finite=finite)
    return tensors


def refuse_odd(tensors: Tensors, like: Tensors, path: Path, *, finite: bool) -> None:
    """Refuse tensors of other names, shapes or types than the model or the loss has, and where wanted infinite ones."""
    expected, found = ({name: _described(t) for name, t in ts.items()} for ts in (like, tensors))
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise UserError(
            f"{path} does not fit the model of config.json: {odd[0]} should be "
            f"{expected.get(odd[0], 'absent')}, but is {found.get(odd[0], 'absent')}."
        )
    for name, t in tensors.items():
        if finite and not bool(t.isfinite().all()):
            raise UserError(f"{path} is damaged: {name} holds values that are not finite; make the run again.")


def _described(t: torch.Tensor) -> str:
    return f"{list(t.shape)} of {str(t.dtype).removeprefix('torch.')}"
