"""Adapts a few-shot run to pictures of the user's own: a folder for each class to learn from, and a folder to name."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..data.image_folder import SUFFIXES, class_files, read_picture
from ..errors import UserError
from ..run.folder import check_output, write_named
from ..text import to_cell
from .episode import Episode
from .folder import Scaling
from .load import Trained, answer, load_trained
from .omniglot import SIDE, SMALL

MOST_PICTURES = 100_000


def predict_pictures(
    folder: Path,
    support: Path,
    query: Path,
    out: Path,
    device: torch.device | str = "cpu",
    *,
    steps: int | None = None,
    model: str | None = None,
    trust: bool = False,
) -> tuple[int, int, bool]:
    """Adapts to the classes of a support folder, names the pictures of a query folder, and writes a table.

    Args:
        folder: of the run.
        support: `CLASS/PICTURE`, as many classes as the run's ways at most; any number of pictures of each.
        query: pictures.
        out: a `.csv`: `file`, `class`, and the probability of each class.
        device: where to compute.
        steps: on the task; those of the run's evaluation when omitted.
        model, trust: as in `load_trained`.

    Returns:
        The number of pictures that were named, the number of classes, and whether answers depend on each other.

    Raises:
        UserError: there is no such run, or its model does not take these pictures or so many classes.
    """
    if out.suffix != ".csv":
        raise UserError(f"the predictions of a few-shot run are written as .csv, got {out}.")
    check_output(out)
    trained = load_trained(folder, device, model=model, trust=trust)
    scaling = trained.about.scaling
    if scaling is None:
        raise UserError(
            f"{folder} was trained on {trained.settings.task}, which has no pictures; use Python's predict."
        )
    files = class_files(_there(support, "--support"))
    classes = sorted({file.parent.name for file in files})
    if not 2 <= len(classes) <= trained.settings.ways:
        raise UserError(
            f"{support} has {len(classes)} classes, but the run tells {trained.settings.ways} apart; give 2 to "
            f"{trained.settings.ways}, or train with other --ways."
        )
    asked = sorted(each for each in _there(query, "--query").iterdir() if each.suffix.lower() in SUFFIXES)
    if not asked:
        raise UserError(f"{query} has no pictures; put them into it, without folders.")
    y = torch.tensor([classes.index(file.parent.name) for file in files], device=trained.device)
    x, query_x = (_inputs(each, scaling, trained) for each in (files, asked))
    episode = Episode(x, y, query_x, y.new_zeros(len(query_x)))
    outputs = answer(trained, episode, steps)[:, : len(classes)]
    write_named(out, _table(asked, classes, outputs.double().softmax(-1).cpu().numpy()))
    return len(asked), len(classes), trained.method.transductive


def _there(folder: Path, flag: str) -> Path:
    if not folder.is_dir():
        raise UserError(f"{flag} {folder} is not a folder; give one with pictures.")
    return folder


def _inputs(files: Sequence[Path], scaling: Scaling, trained: Trained) -> torch.Tensor:
    """Reads pictures as the run's episodes hold them."""
    if len(files) > MOST_PICTURES:
        raise UserError(f"{files[0].parent} has {len(files):,} pictures, more than {MOST_PICTURES:,}; give fewer.")
    pixels = np.stack([_pixels(file, scaling, trained.about.input_shape) for file in files])
    mean, std = (torch.tensor(each)[:, None, None] for each in (scaling.mean, scaling.std))
    return ((torch.from_numpy(pixels).float() / 255 - mean) / std).to(trained.device)


def _pixels(file: Path, scaling: Scaling, shape: Sequence[int]) -> np.ndarray:
    """A picture as `[channels, height, width]`, from 0 to 255."""
    channels, height, width = shape
    found = read_picture(file).astype(np.float32)
    if channels == 1:
        found = found.mean(2, keepdims=True)
    if scaling.ink:
        found = 255 - found
        if found.shape[:2] == (SIDE, SIDE) and (height, width) == (SMALL, SMALL):
            fine = found[:, :, 0].repeat(4, 0).repeat(4, 1)  # 15/4 pixels become one
            found = fine.reshape(SMALL, 15, SMALL, 15).mean((1, 3))[:, :, None]
    if found.shape[:2] != (height, width):
        raise UserError(
            f"{file} is {found.shape[1]}x{found.shape[0]} pixels, but the run was trained on {width}x{height}; resize "
            "it."
        )
    return found.transpose(2, 0, 1)


def _table(files: Sequence[Path], classes: Sequence[str], probabilities: np.ndarray) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(to_cell, ["file", "class", *(f"probability of {name}" for name in classes)]))
    for file, row in zip(files, probabilities, strict=True):
        writer.writerow([to_cell(file.name), to_cell(classes[int(row.argmax())]), *(f"{p:.6g}" for p in row)])
    return text.getvalue().encode()
