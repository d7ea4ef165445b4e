"""Draws the images whose labels are most likely wrong, side by side."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure

from ..data.quoting import shortened
from ..run.predict import class_names
from ..run.suspects import Ranked
from ..text import for_picture
from .figures import new_figure

_MAX_IMAGES = 48
_COLUMNS = 8
_MAX_LETTERS = 12
"""Letters of a class name in a title; longer names are cut."""


def has_images(ranked: Ranked) -> bool:
    """Returns whether inputs are grey or colour images, `[1 or 3, height, width]`."""
    shape = ranked.task.input_shape
    return len(shape) == 3 and shape[0] in (1, 3)


def suspects_figure(ranked: Ranked, most: int = _MAX_IMAGES) -> Figure:
    """Draws the most suspect examples in rows, the worst first, each titled `label → more likely label`.

    Args:
        ranked: the result of `rank_suspects` for a task with images.
        most: how many images to draw; fewer where there are fewer examples.
    """
    order = ranked.found.order[:most]
    pictures = _pixels(ranked, order)
    labels, rather = _label_texts(ranked, order)
    lines = math.ceil(len(order) / _COLUMNS)
    figure = new_figure(1.1 * _COLUMNS, 1.3 * lines)
    for number, (picture, label, other) in enumerate(zip(pictures, labels, rather, strict=True), 1):
        panel = figure.add_subplot(lines, _COLUMNS, number)
        panel.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0)
        panel.set_title(for_picture(f"{label} \u2192 {other}"), fontsize=7)
        panel.set_axis_off()
    return figure


def _pixels(ranked: Ranked, order: torch.Tensor) -> list[np.ndarray]:
    """Returns images `[height, width]` or `[height, width, 3]`, scaled so that all of them together span 0 to 1."""
    rows = ranked.rows[order].to(ranked.task.device)
    raw = ranked.task.encoding.scale.back(ranked.task.train.x[rows].cpu())
    low, high = raw.min(), raw.max()
    level = (raw - low) / (high - low).clamp(min=1e-12)
    return [(image[0] if len(image) == 1 else image.permute(1, 2, 0)).numpy() for image in level]


def _label_texts(ranked: Ranked, order: torch.Tensor) -> tuple[list[str], list[str]]:
    """Returns, for each example, its label and the label that the model finds more likely, as text."""
    y, rather = ranked.y[order], ranked.found.rather[order]
    if ranked.task.encoding.range is not None:
        values = (ranked.task.encoding.range.back(t) for t in (y, rather))
        first, second = ([", ".join(f"{v:.3g}" for v in row) for row in t.tolist()] for t in values)
        return first, second
    names = [shortened(str(name), _MAX_LETTERS) for name in class_names(ranked.task.encoding)]
    return [names[i] for i in y.tolist()], [names[i] for i in rather.tolist()]
