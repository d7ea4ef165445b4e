"""How pictures look, and figures as files."""

import io

import matplotlib
from matplotlib.figure import Figure

COLOURS = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
"""Okabe and Ito's palette for colour-blind readers, less the yellow that is lost on white."""

COLOURS_ON_DARK = ["#F4F4F4", "#4FA8E8", "#F2834B", "#2DBE96", "#E3A3C8", "#F3B93D", "#9AD4F7"]
"""The same hues, light enough for a dark page."""

DASHES: list[tuple[float, ...]] = [(), (5, 2), (1, 1.5), (6, 1.5, 1.2, 1.5)]
"""Lengths of strokes and gaps, in widths of the line."""

MARKERS = ["o", "s", "^", "D", "v"]
STEP_COLOURS = "viridis"
"""Of a step among others: even to the eye, in print and to colour-blind readers."""

FORMATS = ("png", "svg")


def line_style(index: int) -> dict[str, object]:
    """Colour, dashes and marker of the index-th line; the lengths share no factor, so 140 lines all differ."""
    dashes = DASHES[index % len(DASHES)]
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": (0, dashes) if dashes else "solid",
        "marker": MARKERS[index % len(MARKERS)],
    }


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def rendered(figure: Figure, form: str) -> bytes:
    """A figure as `"png"` or `"svg"`: the same bytes each time for the same figure."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "lfl"}):
        figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()
