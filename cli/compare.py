"""`lfl compare`: methods beside each other on one task and model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options, study
from .text import cell, say

if TYPE_CHECKING:
    from lfl.study import Compared


def compare(
    task: options.TaskName = None,
    model: options.ModelName = None,
    methods: Annotated[
        str,
        typer.Option(
            help="Methods, methods with settings ('adalfl outer_lr=1e-4', 'baseline loss=focal'), baseline-tuned; the "
            "others are compared with the first."
        ),
    ] = "baseline,adalfl",
    seeds: Annotated[int, typer.Option(min=1, help="How many, from --seed on.")] = 5,
    seed: Annotated[int, typer.Option(help="The first.")] = 0,
    steps: options.Steps = None,
    offline_steps: options.OfflineSteps = None,
    inner_steps: options.InnerSteps = None,
    batch_size: options.BatchSize = None,
    inner_lr: options.InnerLr = None,
    offline_lr: options.OfflineLr = None,
    outer_lr: options.OuterLr = None,
    inner: options.Inner = None,
    momentum: options.Momentum = None,
    weight_decay: options.WeightDecay = None,
    schedule: options.Schedule = None,
    compile: options.Compile = None,
    precision: options.Precision = None,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    jobs: study.Jobs = 1,
    target: options.Target = None,
    kind: options.Kind = None,
    valid: options.Valid = None,
    valid_size: options.ValidSize = None,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the runs and of what was found; what is there is not run again.",
            show_default="runs/compare-TASK-MODEL-N",
        ),
    ] = None,
    engine: study.EngineName = "loky",
) -> None:
    """Train each method from the same starts on the same batches, seed by seed, and compare it with the first."""
    from lfl.errors import Diverged
    from lfl.study import compare as compare_methods
    from lfl.training import DEFAULT_MODEL, DEFAULT_TASK

    with study.shown_study(out) as show:
        found = compare_methods(
            task or DEFAULT_TASK,
            model or DEFAULT_MODEL,
            study.split(methods, "--methods"),
            seeds=seeds,
            seed=seed,
            jobs=jobs,
            engine=engine,
            out=out,
            data_dir=data_dir,
            device=device,
            threads=threads,
            progress=show,
            steps=steps,
            offline_steps=offline_steps,
            inner_steps=inner_steps,
            batch_size=batch_size,
            inner_lr=inner_lr,
            offline_lr=offline_lr,
            outer_lr=outer_lr,
            inner=inner,
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
            compile=compile,
            precision=precision,
            target=target,
            kind=kind,
            valid=valid,
            valid_size=valid_size,
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

    from lfl.report.spread import spread_words
    from lfl.study.results_file import paired_words

    first = compared[0].summary.line
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("method", "test error", f"minus {first.label}'s, by seed", f"time over {first.label}'s"):
        table.add_column(cell(column), overflow="fold")
    for each in compared:
        ratio = "" if each.time_ratio is None else f"{each.time_ratio:.2f}"
        table.add_row(cell(each.summary.line.label), spread_words(each.error), paired_words(each.difference), ratio)
    study.print_table(table)
