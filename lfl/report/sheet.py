"""The pictures whose labels a model doubts most, side by side."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure

from ..data.words import shown
from ..run.predict import class_names
from ..run.suspects import Ranked
from ..text import for_picture
from .style import new_figure

MOST = 48
COLUMNS = 8
LONGEST = 12
"""Letters of a class name in a title."""


def has_pictures(ranked: Ranked) -> bool:
    """Whether inputs are grey or colour images, `[1 or 3, height, width]`."""
    shape = ranked.task.input_shape
    return len(shape) == 3 and shape[0] in (1, 3)


def sheet(ranked: Ranked, most: int = MOST) -> Figure:
    """Draw the most suspect examples, in rows from the worst on, each titled with its label and what it rather is.

    Args:
        ranked: of `rank_suspects`, of a task of images.
        most: pictures on the sheet; fewer where there are fewer examples.
    """
    order = ranked.found.order[:most]
    pictures = _pixels(ranked, order)
    labels, rather = _names(ranked, order)
    lines = math.ceil(len(order) / COLUMNS)
    figure = new_figure(1.1 * COLUMNS, 1.3 * lines)
    for number, (picture, label, other) in enumerate(zip(pictures, labels, rather, strict=True), 1):
        panel = figure.add_subplot(lines, COLUMNS, number)
        panel.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0)
        panel.set_title(for_picture(f"{label} \u2192 {other}"), fontsize=7)
        panel.set_axis_off()
    return figure


def _pixels(ranked: Ranked, order: torch.Tensor) -> list[np.ndarray]:
    """Images `[height, width]` or `[height, width, 3]`, from 0 to 1 over the sheet."""
    rows = ranked.rows[order].to(ranked.task.device)
    raw = ranked.task.encoding.scale.back(ranked.task.train.x[rows].cpu())
    low, high = raw.min(), raw.max()
    level = (raw - low) / (high - low).clamp(min=1e-12)
    return [(image[0] if len(image) == 1 else image.permute(1, 2, 0)).numpy() for image in level]


def _names(ranked: Ranked, order: torch.Tensor) -> tuple[list[str], list[str]]:
    y, rather = ranked.y[order], ranked.found.rather[order]
    if ranked.task.encoding.range is not None:
        values = (ranked.task.encoding.range.back(t) for t in (y, rather))
        first, second = ([", ".join(f"{v:.3g}" for v in row) for row in t.tolist()] for t in values)
        return first, second
    names = [shown(str(name), LONGEST) for name in class_names(ranked.task.encoding)]
    return [names[i] for i in y.tolist()], [names[i] for i in rather.tolist()]
