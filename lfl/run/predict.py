"""Predicts with the trained model of a run."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.csv_table import encode, read_table
from ..data.npz import read_arrays
from ..errors import UserError
from ..loss import class_logits
from ..task import Encoding
from ..task.arrays import to_inputs
from ..task.targets import to_array
from ..text import to_cell
from ..trees import is_shape, leaves, map_tree
from ..types import Shape
from .folder import check_output, write_named
from .load import Model, load_model


def predict(
    folder: Path,
    source: Path,
    out: Path,
    device: torch.device | str = "cpu",
    *,
    model: str | None = None,
    trust: bool = False,
) -> int:
    """Reads inputs from a file, and writes the predictions of a run's model to another.

    Args:
        folder: the run folder.
        source: a `.npz` with the array `x` (or else `x_test`), raw as the task's own inputs are; with `x.NAME` for each
            of several named inputs, `x.0`, `x.1` for positional ones; or a `.csv` with the columns of the table that
            the run was trained on.
        out: a `.csv`, or a `.npz`: for classes `class` and, for each of them, its probability; for real values
            `value`, in the units of the targets; for several labels each `label`, 0 or 1, and its probability.
        device: where to compute.
        model, trust: as in `lfl.load_run`.

    Returns:
        The number of rows.

    Raises:
        UserError: there is no run, its model does not take such inputs, or an unknown kind of file.
    """
    if out.suffix not in {".csv", ".npz"}:
        raise UserError(f"predictions are written as .csv or .npz, got {out}.")
    check_output(out)
    found = load_model(folder, device, model=model, trust=trust)
    if found.encoding.tokens:
        raise UserError(f"{folder} was trained on a text; give --prompt, and it is continued.")
    predictions = predict_values(found, read_inputs(source, found.encoding))
    write_named(out, (_npz if out.suffix == ".npz" else _csv)(_columns(predictions, found.encoding)))
    return len(predictions)


def predict_values(model: Model, x: Any) -> torch.Tensor:
    """Predicts for raw inputs `[n, ...]`, or a tree of them, as `read_inputs` and `check_inputs` return them.

    Returns:
        Probabilities of the classes `[n, classes]`, of characters `[n, length, vocabulary]`, of the labels
        `[n, labels]`, or values in the units of the targets `[n, width]`, in double precision on the CPU.
    """
    outputs = outputs_of(model, x)
    if model.encoding.range is not None:
        return model.encoding.range.back(outputs.reshape(len(outputs), -1))
    if model.encoding.kind == "multilabel":
        return torch.sigmoid(outputs.double())
    return torch.softmax(class_logits(outputs.double()), -1)


@torch.no_grad()
def outputs_of(model: Model, x: Any, chunk: int = 1000) -> torch.Tensor:
    """Computes logits or scaled values for raw inputs, in evaluation mode; they are returned on the CPU."""
    device = next(iter(model.theta.values())).device
    scaled = x if takes_as_given(model.encoding) else model.encoding.scale(x)
    parts = []
    for i in range(0, len(leaves(scaled)[0]), chunk):
        part = map_tree(lambda t, i=i: t[i : i + chunk].to(device), scaled)
        parts.append(model.apply_fn(model.theta, model.buffers, part, training=False)[0].cpu())
    return torch.cat(parts)


def class_names(encoding: Encoding) -> list[Any]:
    """Returns the names of the classes, in the order of their ids, or of the labels."""
    return encoding.classes or list(range(encoding.num_outputs))


def takes_as_given(encoding: Encoding) -> bool:
    """Whether inputs are not scaled, as of loaders, whose whole numbers stay what they are."""
    mean, deviation = encoding.scale
    return mean.dim() == 0 and float(mean) == 0.0 and float(deviation) == 1.0


def read_inputs(source: Path, encoding: Encoding) -> Any:
    """Reads raw inputs, or a tree of them, from a `.npz` or a `.csv`.

    Raises:
        UserError: the file cannot be read, or the model does not take such inputs.
    """
    if source.suffix == ".csv":
        if encoding.columns is None:
            raise UserError(
                f"the run was trained on arrays, which a .csv does not name; save x to a .npz, got {source}."
            )
        x = encode(read_table(source), encoding.columns)
    elif source.suffix == ".npz" and not is_shape(encoding.input_shape):
        return check_inputs(_read_several(source, encoding.input_shape), encoding, str(source))
    elif source.suffix == ".npz":
        arrays = read_arrays(source, ("x", "x_test"))
        if not arrays:
            raise UserError(f"{source} has no array x; save the inputs as x.")
        x = next(iter(arrays.values()))
    else:
        raise UserError(f"inputs must be a .npz or a .csv, got {source}.")
    return check_inputs(np.asarray(x), encoding, str(source))


def _read_several(source: Path, shape: Shape) -> Any:
    """Reads the arrays of several inputs, each by its place in the tree of them: `x.left`, `x.pair.0`."""
    names = _names(shape, "x")
    arrays = read_arrays(source, tuple(names))
    missing = [name for name in names if name not in arrays]
    if missing:
        raise UserError(
            f"{source} lacks {', '.join(missing)}; the model takes several inputs: save {', '.join(names)}."
        )
    return _rebuilt(shape, "x", arrays)


def _parts(shape: Shape, path: str) -> list[tuple[Any, Shape, str]]:
    """Returns the entries of a tree of shapes, each with its key and path."""
    entries = shape.items() if isinstance(shape, dict) else enumerate(shape)
    return [(key, part, f"{path}.{key}") for key, part in entries]


def _names(shape: Shape, path: str) -> list[str]:
    if is_shape(shape):
        return [path]
    return [name for _, part, below in _parts(shape, path) for name in _names(part, below)]


def _rebuilt(shape: Shape, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if is_shape(shape):
        return arrays[path]
    found = {key: _rebuilt(part, below, arrays) for key, part, below in _parts(shape, path)}
    return found if isinstance(shape, dict) else tuple(found.values())


def check_inputs(x: Any, encoding: Encoding, name: str) -> Any:
    """Returns raw inputs as tensors; raises `UserError`, with their name, where the model does not take them."""
    if takes_as_given(encoding):
        found = _as_given(x, encoding.input_shape, name)
        sizes = {len(t) for t in leaves(found)}
        if len(sizes) != 1 or 0 in sizes:
            raise UserError(f"{name}: inputs have {sorted(sizes)} rows; give one row of each for each prediction.")
        return found
    tensor = to_inputs(x, name)
    if tensor.shape[1:] != encoding.input_shape:
        raise UserError(
            f"{name}: an input is {list(tensor.shape[1:])}; the model was trained with {list(encoding.input_shape)}."
        )
    if not len(tensor):
        raise UserError(f"{name} holds no inputs.")
    return tensor


def _as_given(x: Any, shape: Shape, name: str) -> Any:
    """Returns inputs of loaders as tensors: in single precision, whole numbers as they are."""
    if is_shape(shape):
        if isinstance(x, Mapping):
            raise UserError(f"{name}: the model takes one input, {list(shape)}, got {', '.join(map(str, x))}.")
        array = to_array(x.detach().cpu() if isinstance(x, torch.Tensor) else x, name)
        if array.dtype.kind == "U" or array.shape[1:] != shape or not array.ndim:
            raise UserError(
                f"{name}: an input is {list(array.shape[1:])} of {array.dtype}; the model was trained with numbers "
                f"{list(shape)}."
            )
        tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
        return tensor.float() if tensor.is_floating_point() else tensor
    keys = list(shape) if isinstance(shape, dict) else list(range(len(shape)))
    fits = isinstance(x, Mapping) if isinstance(shape, dict) else isinstance(x, (tuple, list))
    if not fits or set(x if isinstance(x, Mapping) else range(len(x))) != set(keys):
        got = ", ".join(map(str, x)) if isinstance(x, Mapping) else f"a {type(x).__name__}"
        form = "a dict of " if isinstance(shape, dict) else "a tuple of inputs "
        raise UserError(f"{name}: the model takes several inputs, {form}{', '.join(map(str, keys))}, got {got}.")
    found = {key: _as_given(x[key], part, below) for key, part, below in _parts(shape, name)}
    return found if isinstance(shape, dict) else tuple(found.values())


def _columns(predictions: torch.Tensor, encoding: Encoding) -> dict[str, np.ndarray]:
    found = predictions.numpy()
    if encoding.range is not None:
        names = ["value"] if found.shape[1] == 1 else [f"value {i}" for i in range(found.shape[1])]
        return dict(zip(names, found.T, strict=True))
    classes = class_names(encoding)
    if encoding.kind == "multilabel":
        labels = {f"label {name}": (column > 0.5).astype(int) for name, column in zip(classes, found.T, strict=True)}
        return labels | {f"probability of {n}": column for n, column in zip(classes, found.T, strict=True)}
    named = {f"probability of {name}": column for name, column in zip(classes, found.T, strict=True)}
    return {"class": np.array(classes)[found.argmax(-1)], **named}


def _csv(columns: dict[str, np.ndarray]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(to_cell, columns))
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        writer.writerow(to_cell(value) if isinstance(value, str) else value for value in row)
    return text.getvalue().encode()


def _npz(columns: dict[str, np.ndarray]) -> bytes:
    """One array of the classes or labels and one of all probabilities, or one of the values."""
    if next(iter(columns)).startswith("label "):
        half = len(columns) // 2
        parts = list(columns.values())
        return _saved({"labels": np.stack(parts[:half], 1), "probabilities": np.stack(parts[half:], 1)})
    first, *others = columns.items()
    stacked = {"probabilities": np.stack([c for _, c in others], 1)} if first[0] == "class" else {}
    main = {"class": first[1]} if first[0] == "class" else {"value": np.stack(list(columns.values()), 1)}
    return _saved(main | stacked)


def _saved(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
