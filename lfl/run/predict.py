"""What a trained model says about inputs that it has not seen."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.csv_table import encode, read_table
from ..data.npz import read_arrays
from ..errors import UserError
from ..loss.classes import class_logits
from ..task import Encoding
from ..task.arrays import to_inputs
from ..text import to_cell
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
    """Read inputs, and write what the model of a run makes of them.

    Args:
        folder: the run folder.
        source: a `.npz` with the array `x` (or else `x_test`), raw as the task's own inputs are, or a `.csv` with the
            columns of the table that the run was trained on.
        out: a `.csv`, or a `.npz`: for classes `class` and, for each of them, its probability; for real values
            `value`, in the units of the targets.
        device: where to compute.
        model, trust: as in `load_run`.

    Returns:
        The number of rows.

    Raises:
        UserError: no run is there, inputs that it cannot take, or a kind of file that is not known.
    """
    if out.suffix not in {".csv", ".npz"}:
        raise UserError(f"predictions are written as .csv or .npz, but got {out}.")
    check_output(out)
    found = load_model(folder, device, model=model, trust=trust)
    x = _read(source, found.encoding)
    columns = _columns(outputs_of(found, x), found.encoding)
    write_named(out, (_npz if out.suffix == ".npz" else _csv)(columns))
    return len(x)


@torch.no_grad()
def outputs_of(model: Model, x: torch.Tensor, chunk: int = 1000) -> torch.Tensor:
    """Logits or scaled values of raw inputs, in evaluation mode, on the CPU."""
    scaled = model.encoding.scale(x).to(next(iter(model.theta.values())).device)
    parts = [
        model.apply_fn(model.theta, model.buffers, part, training=False)[0].cpu() for part in torch.split(scaled, chunk)
    ]
    return torch.cat(parts)


def _read(source: Path, encoding: Encoding) -> torch.Tensor:
    if source.suffix == ".csv":
        if encoding.columns is None:
            raise UserError(
                f"the run was trained on arrays, which a .csv does not name; save x to a .npz, not {source}."
            )
        x = encode(read_table(source), encoding.columns)
    elif source.suffix == ".npz":
        arrays = read_arrays(source, ("x", "x_test"))
        if not arrays:
            raise UserError(f"{source} has no array x; save the inputs as x.")
        x = next(iter(arrays.values()))
    else:
        raise UserError(f"inputs come as .npz or .csv, but {source} came.")
    tensor = to_inputs(np.asarray(x), str(source))
    if tensor.shape[1:] != encoding.input_shape:
        raise UserError(
            f"{source}: an input is {list(tensor.shape[1:])}, but the model was trained with "
            f"{list(encoding.input_shape)}."
        )
    if not len(tensor):
        raise UserError(f"{source} holds no inputs.")
    return tensor


def _columns(outputs: torch.Tensor, encoding: Encoding) -> dict[str, np.ndarray]:
    if encoding.range is not None:
        values = encoding.range.back(outputs.reshape(len(outputs), -1)).numpy()
        names = ["value"] if values.shape[1] == 1 else [f"value {i}" for i in range(values.shape[1])]
        return dict(zip(names, values.T, strict=True))
    classes: list[Any] = encoding.classes or list(range(encoding.num_outputs))
    likely = torch.softmax(class_logits(outputs.double()), -1).numpy()
    named = {f"probability of {name}": column for name, column in zip(classes, likely.T, strict=True)}
    return {"class": np.array(classes)[likely.argmax(-1)], **named}


def _csv(columns: dict[str, np.ndarray]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(to_cell, columns))
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        writer.writerow(to_cell(value) if isinstance(value, str) else value for value in row)
    return text.getvalue().encode()


def _npz(columns: dict[str, np.ndarray]) -> bytes:
    """One array of the classes and one of all probabilities, or one of the values."""
    first, *others = columns.items()
    stacked = {"probabilities": np.stack([c for _, c in others], 1)} if first[0] == "class" else {}
    main = {"class": first[1]} if first[0] == "class" else {"value": np.stack(list(columns.values()), 1)}
    file = io.BytesIO()
    content: dict[str, Any] = main | stacked
    np.savez(file, **content)
    return file.getvalue()
