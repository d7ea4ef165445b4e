"""The command `lfl plot`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .text import say


def plot(
    runs: options.Runs,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the pictures.")] = Path("plots"),
) -> None:
    """Draw learning curves, learning rates and learned losses of runs, as PNG and SVG.

    Runs that differ only in the seed are one line, with its mean and deviation.
    """
    from lfl.report import collect_runs, draw_pictures

    comparisons, repeats = collect_runs(runs)
    for left, kept in repeats:
        say(f"left out {left}: same settings and seed as {kept}")
    for png, svg in draw_pictures(comparisons, out):
        say(f"wrote {png} and {svg.name}")
