"""Figures with matplotlib: colours and line styles, files as PNG or SVG, and panels of lines over training steps."""

import io
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ..text import for_picture
from .statistics import OverSteps

COLOURS = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
"""Okabe and Ito's palette for colour-blind readers, without its yellow, which is hard to see on white."""

COLOURS_ON_DARK = ["#F4F4F4", "#4FA8E8", "#F2834B", "#2DBE96", "#E3A3C8", "#F3B93D", "#9AD4F7"]
"""The same hues, light enough for a dark page."""

DASHES: list[tuple[float, ...]] = [(), (5, 2), (1, 1.5), (6, 1.5, 1.2, 1.5)]
"""Lengths of strokes and gaps, in line widths."""

MARKERS = ["o", "s", "^", "D", "v"]
STEP_COLOURS = "viridis"
"""Colour map for steps: its brightness grows evenly, also in print and for colour-blind readers."""

FORMATS = ("png", "svg")


def line_style(index: int) -> dict[str, object]:
    """Returns colour, dashes and marker of the index-th line.

    The three lists have lengths without a common factor, so that 140 lines all differ.
    """
    dashes = DASHES[index % len(DASHES)]
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": (0, dashes) if dashes else "solid",
        "marker": MARKERS[index % len(MARKERS)],
    }


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure; sizes in inches."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def rendered(figure: Figure, form: str) -> bytes:
    """Returns the bytes of a figure as `"png"` or `"svg"`, always the same for the same figure."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "lfl"}):
        figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()


_MAX_COLUMNS = 3
_MARKERS_PER_LINE = 8
_LETTERS_PER_LINE = 40
_NARROW, _WIDE = 5.0, 1e4
"""Ratios of the ends of a logarithmic axis: below the first, ticks are evenly spaced; below the second, at 1, 2, 5."""


class Panel(NamedTuple):
    """The content of one pair of axes.

    Args:
        title: text above the axes.
        measure: the label of the vertical axis.
        lines: curves by label.
        reference: the name and the level of a horizontal line to compare with, or None.
    """

    title: str
    measure: str
    lines: Mapping[str, OverSteps]
    reference: tuple[str, float] | None = None

    @property
    def num_seeds(self) -> str:
        """How many seeds its lines have, as text such as `3 seeds` or `1 to 3 seeds`."""
        numbers = [line.num_seeds for line in self.lines.values()]
        ends = dict.fromkeys((min(numbers), max(numbers)))
        return f"{' to '.join(map(str, ends))} {'seeds' if self.several else 'seed'}"

    @property
    def several(self) -> bool:
        """Whether a line has more than one seed."""
        return any(line.num_seeds > 1 for line in self.lines.values())

    @property
    def limits(self) -> tuple[float, float] | None:
        """The ends of a logarithmic axis; None where a value is not positive, or no value is finite."""
        levels = np.concatenate([edge for line in self.lines.values() for edge in (line.low, line.high)])
        levels = np.append(levels, [] if self.reference is None else self.reference[1])
        levels = levels[np.isfinite(levels)]
        if not len(levels) or levels.min() <= 0:
            return None
        bottom, top = float(levels.min()), float(levels.max())
        margin = max(1.1, (top / bottom) ** 0.06)
        return bottom / margin, top * margin


def draw_panels(panels: Sequence[Panel], labels: Sequence[str]) -> Figure:
    """Draws all panels in a grid, with one legend below.

    Args:
        panels: at least one.
        labels: the labels of all figures, in order, so that a label has the same style in each.
    """
    columns = min(_MAX_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(2.2 + 4.6 * columns, 0.8 + 3.4 * rows + 0.22 * (len(labels) // 3))
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    handles: dict[str, Artist] = {}
    for panel, on in zip(panels, axes, strict=False):
        _draw(panel, on, labels)
        drawn, names = on.get_legend_handles_labels()
        handles |= dict(zip(names, drawn, strict=True))
    for unused in axes[len(panels) :]:
        unused.set_axis_off()
    figure.legend(
        list(handles.values()),
        [fill(for_picture(name), _LETTERS_PER_LINE) for name in handles],
        loc="outside lower center",
        ncols=min(3, len(handles)),
        fontsize=10,
        title="mean, and range over the seeds" if any(panel.several for panel in panels) else None,
        title_fontsize=9,
    )
    return figure


def _draw(panel: Panel, on: Axes, labels: Sequence[str]) -> None:
    for label, line in panel.lines.items():
        index = labels.index(label)
        every = max(1, len(line.step) // _MARKERS_PER_LINE)
        style = line_style(index) | {"markersize": 5, "markevery": (index % every, every), "linewidth": 1.6}
        on.plot(line.step, line.mean, label=label, **style)  # type: ignore[arg-type]
        if line.num_seeds > 1:
            colour = line_style(index)["color"]
            on.fill_between(line.step, line.low, line.high, color=colour, alpha=0.18, lw=0)
    if panel.reference is not None:
        name, level = panel.reference
        on.axhline(level, color="0.5", linestyle=(0, (2, 2)), linewidth=1.2, label=name)
    limits = panel.limits
    if limits is not None:
        on.set_yscale("log")
        on.set_ylim(*limits)
        times = limits[1] / limits[0]
        subs = (1, 2, 5) if times < _WIDE else (1,)
        on.yaxis.set_major_locator(MaxNLocator(6) if times < _NARROW else LogLocator(subs=subs))
        on.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        on.yaxis.set_minor_formatter(NullFormatter())
    on.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    on.set_title(f"{for_picture(panel.title)}, {panel.num_seeds}", fontsize=11)
    on.set_xlabel("training step")
    on.set_ylabel(panel.measure)
    on.grid(alpha=0.25)
