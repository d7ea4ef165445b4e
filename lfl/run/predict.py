"""Predicts with the trained model of a run."""

import csv
import io
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
from ..text import to_cell
from ..trees import is_shape
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
        source: a `.npz` with the array `x` (or else `x_test`), raw as the task's own inputs are, or a `.csv` with the
            columns of the table that the run was trained on.
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
    predictions = predict_values(found, read_inputs(source, found.encoding))
    write_named(out, (_npz if out.suffix == ".npz" else _csv)(_columns(predictions, found.encoding)))
    return len(predictions)


def predict_values(model: Model, x: torch.Tensor) -> torch.Tensor:
    """Predicts for raw inputs `[n, ...]`, as `read_inputs` and `check_inputs` return them.

    Returns:
        Probabilities of the classes `[n, classes]` or of the labels `[n, labels]`, or values in the units of the
        targets `[n, width]`, in double precision on the CPU.
    """
    outputs = outputs_of(model, x)
    if model.encoding.range is not None:
        return model.encoding.range.back(outputs.reshape(len(outputs), -1))
    if model.encoding.kind == "multilabel":
        return torch.sigmoid(outputs.double())
    return torch.softmax(class_logits(outputs.double()), -1)


@torch.no_grad()
def outputs_of(model: Model, x: torch.Tensor, chunk: int = 1000) -> torch.Tensor:
    """Computes logits or scaled values for raw inputs, in evaluation mode; they are returned on the CPU."""
    scaled = model.encoding.scale(x).to(next(iter(model.theta.values())).device)
    parts = [
        model.apply_fn(model.theta, model.buffers, part, training=False)[0].cpu() for part in torch.split(scaled, chunk)
    ]
    return torch.cat(parts)


def class_names(encoding: Encoding) -> list[Any]:
    """Returns the names of the classes, in the order of their ids, or of the labels."""
    return encoding.classes or list(range(encoding.num_outputs))


def read_inputs(source: Path, encoding: Encoding) -> torch.Tensor:
    """Reads raw inputs from a `.npz` or a `.csv`.

    Raises:
        UserError: the file cannot be read, or the model does not take such inputs.
    """
    if source.suffix == ".csv":
        if encoding.columns is None:
            raise UserError(
                f"the run was trained on arrays, which a .csv does not name; save x to a .npz, got {source}."
            )
        x = encode(read_table(source), encoding.columns)
    elif source.suffix == ".npz":
        arrays = read_arrays(source, ("x", "x_test"))
        if not arrays:
            raise UserError(f"{source} has no array x; save the inputs as x.")
        x = next(iter(arrays.values()))
    else:
        raise UserError(f"inputs must be a .npz or a .csv, got {source}.")
    return check_inputs(np.asarray(x), encoding, str(source))


def check_inputs(x: np.ndarray, encoding: Encoding, name: str) -> torch.Tensor:
    """Returns raw inputs as a tensor; raises `UserError`, with their name, where the model does not take them."""
    if not is_shape(encoding.input_shape):
        raise UserError(
            f"the model has several inputs, {encoding.input_shape}, and {name} holds one; call it from Python: "
            "lfl.run.load_model(RUN)."
        )
    tensor = to_inputs(x, name)
    if tensor.shape[1:] != encoding.input_shape:
        raise UserError(
            f"{name}: an input is {list(tensor.shape[1:])}; the model was trained with {list(encoding.input_shape)}."
        )
    if not len(tensor):
        raise UserError(f"{name} holds no inputs.")
    return tensor


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
