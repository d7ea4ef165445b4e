"""`lfl compare`: methods beside each other on one task and model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfl.settings import SETTINGS

from . import options, study
from .flags import with_flags
from .text import cell, say

if TYPE_CHECKING:
    from lfl.study import Compared


OF_A_METHOD = {"method", "seed", "loss", "base", "loss_from", "eval_split", "log", "checkpoint_every"}
"""Settings that differ between the methods compared, or change nothing in the comparison."""


@with_flags(name for name in SETTINGS if name not in OF_A_METHOD)
def compare(
    asked: dict[str, Any],
    *,
    methods: Annotated[
        str,
        typer.Option(
            help="Methods, methods with settings ('adalfl outer_lr=1e-4', 'baseline loss=focal'), baseline-tuned; the "
            "others are compared with the first."
        ),
    ] = "baseline,adalfl",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, from --seed on.")] = 5,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    jobs: study.Jobs = 1,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the runs and the results; what is complete there is not run again.",
            show_default="runs/compare-TASK-MODEL-N",
        ),
    ] = None,
    engine: study.EngineName = "loky",
) -> None:
    """Train each method from the same starts on the same batches, seed by seed, and compare it with the first."""
    from lfl.errors import Diverged
    from lfl.study import compare as compare_methods

    with study.shown_study(out) as show:
        found = compare_methods(
            methods=study.split(methods, "--methods"),
            seeds=seeds,
            seed=seed,
            jobs=jobs,
            engine=engine,
            out=out,
            data_dir=data_dir,
            device=device,
            threads=threads,
            progress=show,
            **asked,
        )
    if found.methods:
        _print(found.methods)
    for picture in found.pictures:
        say(f"wrote {picture}")
    say(f"folder {found.folder}")
    study.report_failures(found.failed)
    for summary in found.summaries:
        for outcome in summary.diverged:
            raise Diverged(f"{summary.line.label} with seed {outcome.seed}: {outcome.diverged}")


def _print(compared: "Sequence[Compared]") -> None:
    from rich.table import Table

    from lfl.report.statistics import spread_words
    from lfl.study.results_file import paired_words

    first = compared[0].summary.line
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("method", "test error", f"minus {first.label}'s, by seed", f"time over {first.label}'s"):
        table.add_column(cell(column), overflow="fold")
    for each in compared:
        ratio = "" if each.time_ratio is None else f"{each.time_ratio:.2f}"
        table.add_row(cell(each.summary.line.label), spread_words(each.error), paired_words(each.difference), ratio)
    study.print_table(table)
