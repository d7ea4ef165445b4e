"""The command `lfl report`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .text import say


def report(
    runs: options.Runs,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file.")] = Path("report.html"),
) -> None:
    """Write a page about runs: results, curves, the learned loss step by step, settings. It needs no network."""
    from lfl.report import collect_runs, write_page

    comparisons, repeats = collect_runs(runs)
    for left, kept in repeats:
        say(f"left out {left}: same settings and seed as {kept}")
    write_page(comparisons, out)
    say(f"wrote {out}")
