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
    from lfl.fewshot.folder import is_few_shot
    from lfl.report import collect_runs, read_few_shot_log, write_page

    few_shot = [run for run in runs if is_few_shot(run)]
    comparisons, repeats = collect_runs([run for run in runs if run not in few_shot])
    for left, kept in repeats:
        say(f"left out {left}: same settings and seed as {kept}")
    write_page(comparisons, out, [read_few_shot_log(run) for run in few_shot])
    say(f"wrote {out}")
