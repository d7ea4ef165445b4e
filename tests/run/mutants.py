"""Ways in which the files of a run folder may be wrong: by accident, by another version, or on purpose."""

import io
import json
import math
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from lfl.run.checkpoint import _digest

NUMBERS = [True, False, -1, 0, 1, 2, 10**9, 10**30, -(10**400), 0.5, -0.0, 1e300, 1e-320, math.nan, math.inf, -math.inf]
TEXTS = [
    *["", "a", "\0", "a\0b", "\ud800", "\x1b[2J", "../precious", "/dev/zero", "/", "~nobody/x", "x" * 9000],
    *["subprocess:call", ":", "evil:net", "run.evil:net", "os.path:join", "mlp-0", "mlp-99999999999", "mlp-1"],
    *["digits", "california", "adalfl", "fixed", "network", "taylor-cubic", "init", "train", "classification"],
    *["regression", "=1+1", "{}", "%s"],
]
NESTED = [
    [],
    {},
    [[]],
    [None],
    [0],
    [1, 2],
    [10**9, 10**9],
    ["a"],
    {"a": 1},
    [[[[1.0]]]],
    [math.nan],
    [1] * 300,
    [0, 0],
]
VALUES: list[Any] = [None, *NUMBERS, *TEXTS, *NESTED]
DTYPES = [torch.float16, torch.float64, torch.int64, torch.bool, torch.bfloat16, torch.uint8, torch.int32]
BYTES = [
    *[b"", b"\0", b"{}", b"[]", b"null", b"NaN", b"-", b"\xff\xfe", b"\xef\xbb\xbf{}", b"PK\x03\x04", b"\x93NUMPY"],
    *[b"[" * 100_000, b'{"a":' * 20_000, b"9" * 10_000, b'{"a": "\\ud800"}', b"\x80\x04cos\nsystem\n.", b"\n" * 50],
    *[(1 << 62).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{}", b"\x1f\x8b" + b"\0" * 30],
]
Draw = Callable[[Any], Any]


def mutate_json(value: Any, draw: Draw) -> Any:
    """A JSON value with something in it replaced, removed or added."""
    places = list(_places(value))
    path = draw(st.sampled_from(places))
    new = draw(st.sampled_from(VALUES))
    if not path:
        return new
    copy = json.loads(json.dumps(value))
    owner = copy
    for key in path[:-1]:
        owner = owner[key]
    how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "nest"]))
    if how == "remove":
        del owner[path[-1]]
    elif how == "add" and isinstance(owner, dict):
        owner[draw(st.sampled_from(["odd", "", "\ud800", "seeds", "together", "data_dir"]))] = new
    elif how == "nest":
        owner[path[-1]] = [owner[path[-1]]]
    else:
        owner[path[-1]] = new
    return copy


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, inside in items:
        yield from _places(inside, (*path, key))


def mutate_bytes(content: bytes, draw: Draw) -> bytes:
    """Bytes cut, turned, put in or put in their place."""
    how = draw(st.sampled_from(["cut", "flip", "flip", "insert", "replace", "double", "zero"]))
    if how == "replace" or not content:
        return draw(st.sampled_from(BYTES))
    at = draw(st.integers(0, len(content) - 1))
    if how == "cut":
        return content[:at]
    if how == "flip":
        return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
    if how == "insert":
        return content[:at] + draw(st.binary(min_size=1, max_size=8)) + content[at:]
    if how == "zero":
        return content[:at] + b"\0" * 16 + content[at + 16 :]
    return content + content


def mutate_tensors(tensors: dict[str, torch.Tensor], draw: Draw) -> dict[str, torch.Tensor]:
    """Tensors of which one is another."""
    tensors = dict(tensors)
    name = draw(st.sampled_from(sorted(tensors) or ["0.weight"]))
    one = tensors.get(name, torch.zeros(2))
    how = draw(
        st.sampled_from(["remove", "add", "type", "shape", "empty", "nan", "huge", "scalar", "transpose", "negative"])
    )
    if how == "remove":
        tensors.pop(name, None)
    elif how == "add":
        tensors[draw(st.sampled_from(["odd", "", "phi.odd", "step", "init", "state.odd", "0", "a.b.c"]))] = torch.ones(
            2, 3
        )
    else:
        changed = {
            "type": lambda: one.to(draw(st.sampled_from(DTYPES))),
            "shape": lambda: one.reshape(-1)[: one.numel() // 2],
            "empty": lambda: torch.zeros(0, *one.shape[1:], dtype=one.dtype),
            "nan": lambda: one * math.nan if one.is_floating_point() else one,
            "huge": lambda: torch.full_like(one, 1e38) if one.is_floating_point() else torch.full_like(one, 1) * 2**62,
            "scalar": lambda: torch.zeros((), dtype=one.dtype),
            "transpose": lambda: one.t().contiguous() if one.dim() == 2 else one[None],
            "negative": lambda: one.logical_not() if one.dtype == torch.bool else -one - 1,
        }
        tensors[name] = changed[how]()
    return tensors


def mutate_npz(content: bytes, draw: Draw) -> bytes:
    """An npz of which one member is another."""
    with np.load(io.BytesIO(content)) as file:
        arrays: dict[str, Any] = dict(file)
    name = draw(st.sampled_from(sorted(arrays)))
    one = arrays[name]
    how = draw(st.sampled_from(["remove", "type", "shape", "empty", "bytes", "bomb", "values", "lie", "method"]))
    if how == "remove":
        del arrays[name]
    elif how == "type":
        kinds = ["O", "S3", "U3", "M8[s]", "c16", "f2", "f8", "i1", "?", "V4", "i4,f4"]
        arrays[name] = np.zeros(one.shape, draw(st.sampled_from(kinds)))
    elif how == "shape":
        arrays[name] = draw(
            st.sampled_from([one[None], one[:1], one.ravel()[:1].reshape(()), np.stack([one, one], -1)])
        )
    elif how == "empty":
        arrays[name] = one[:0]
    elif how == "values":
        odd = np.array(draw(st.sampled_from([math.nan, math.inf, -1.0, 1e38, 2.0**62])))
        with np.errstate(all="ignore"):
            arrays[name] = np.full(one.shape, "odd" if one.dtype.kind == "U" else odd).astype(one.dtype)
    out = io.BytesIO()
    np.savez(out, **arrays)
    if how not in ("bytes", "bomb", "lie", "method"):
        return out.getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(out) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for member in before.namelist():
            inside = before.read(member)
            if member == f"{name}.npy":
                inside = _other_member(inside, how, draw)
            after.writestr(member, inside, zipfile.ZIP_LZMA if how == "method" else None)
    return packed.getvalue()


def _other_member(inside: bytes, how: str, draw: Draw) -> bytes:
    """A member of an npz that is damaged, far too large, or declares what it does not hold."""
    if how == "bytes":
        return mutate_bytes(inside, draw)
    if how == "bomb":
        return bytes(70_000_000)
    if how == "lie":
        header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }"
        return header.ljust(127) + b"\n"
    return inside


def mutate_checkpoint(path: Path, draw: Draw) -> None:
    """A checkpoint that is not what it was, under the name that its content asks for."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        about = file.metadata()
    tensors = load_file(path)
    which = draw(st.sampled_from(["facts", "facts", "strides", "tensors", "metadata"]))
    if which == "tensors":
        tensors = mutate_tensors(tensors, draw)
    elif which == "metadata":
        about = draw(st.sampled_from([{}, {"facts": "{}"}, {"facts": "[" * 9999}, about | {"strides": "{}"}]))
    elif which == "strides":
        name = draw(st.sampled_from(sorted(tensors)))
        stride = draw(st.sampled_from([[10**12, 1], [0], [-1, 1], ["a"], [1] * 9, [2**62, 2**62], None, 3]))
        about = about | {"strides": json.dumps({name: stride})}
    else:
        about = about | {"facts": json.dumps(mutate_json(json.loads(about["facts"]), draw))}
    content = save(tensors, about)
    path.unlink()
    path.with_name(f"step-000000007-{_digest(content)}.safetensors").write_bytes(content)


def mutate_place(path: Path, draw: Draw) -> None:
    """Something else than a file in its place."""
    path.unlink()
    how = draw(st.sampled_from(["gone", "folder", "link", "pipe", "sparse", "dangling"]))
    if how == "folder":
        path.mkdir()
    elif how == "link":
        path.symlink_to(path.parent.parent / "precious" / "letter")
    elif how == "dangling":
        path.symlink_to("nowhere")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "sparse":
        path.touch()
        os.truncate(path, 2**40)


def mutate(folder: Path, draw: Draw) -> None:
    """Make one file of a run folder wrong in one way."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".py")
    path = draw(st.sampled_from(files))
    ways: list[Callable[[], object]] = [
        lambda: path.write_bytes(mutate_bytes(path.read_bytes(), draw)),
        lambda: mutate_place(path, draw),
    ]
    by_kind: dict[str, Callable[[], object]] = {
        ".json": lambda: path.write_text(json.dumps(mutate_json(json.loads(path.read_text()), draw))),
        ".jsonl": lambda: _mutate_lines(path, draw),
        ".npz": lambda: path.write_bytes(mutate_npz(path.read_bytes(), draw)),
        ".safetensors": lambda: path.write_bytes(save(mutate_tensors(load_file(path), draw))),
    }
    own = by_kind[path.suffix] if path.parent.name != "checkpoints" else lambda: mutate_checkpoint(path, draw)
    draw(st.sampled_from([own, own, own, *ways]))()


def _mutate_lines(path: Path, draw: Draw) -> None:
    lines = path.read_text().splitlines()
    if lines:
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = json.dumps(mutate_json(json.loads(lines[at]), draw))
    path.write_text("".join(f"{line}\n" for line in lines))


def restored(kept: Path, folder: Path) -> None:
    """Put a folder back as it was."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder)
