"""`lfl compare`: methods beside each other on one task and model."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options, study
from .text import cell, say

if TYPE_CHECKING:
    from lfl.study.comparison import Compared


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
    helper_of: study.HelperOf = None,
) -> None:
    """Train each method from the same starts on the same batches, seed by seed, and compare it with the first."""
    from lfl.device import set_precision
    from lfl.errors import Diverged
    from lfl.study import Line, candidates_of, parse_row, summarise, write_comparison
    from lfl.study import compare as compared_with_first
    from lfl.study.picture import draw_learning
    from lfl.training import DEFAULT_MODEL, DEFAULT_TASK

    task, model = task or DEFAULT_TASK, model or DEFAULT_MODEL
    parse_row(f"{task}/{model}")
    out = out or _free_folder(task, model)
    share = study.share_of_threads(threads, jobs)
    own = {"target": target, "kind": kind, "valid": valid, "valid_size": valid_size}
    load = study.loader(device, share, data_dir, **own)
    data = load(task)
    set_precision(precision or "float32", data.device)
    common = {
        "steps": steps,
        "offline_steps": offline_steps,
        "inner_steps": inner_steps,
        "batch_size": batch_size,
        "inner_lr": inner_lr,
        "offline_lr": offline_lr,
        "outer_lr": outer_lr,
        "inner": inner,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "compile": compile,
        "precision": precision,
        **own,
    }
    labels = list(dict.fromkeys(study.split(methods, "--methods")))
    lines = [Line(task, model, label, candidates_of(label, inner_lr or data.defaults.inner_lr)) for label in labels]
    planned = study.plan(lines, out, common, lambda name: data.defaults)
    chosen = range(seed, seed + seeds)
    troubles = study.run_study(
        planned, chosen, load, out=out, jobs=jobs, threads=share, data_dir=data_dir, helper_of=helper_of
    )
    if helper_of is not None:
        return
    found = [summary for line, cells in planned if (summary := summarise(line, cells, chosen)) is not None]
    if found and found[0].line is lines[0]:
        compared = compared_with_first(found)
        write_comparison(out, compared)
        _print(compared)
        for picture in draw_learning(found, out):
            say(f"wrote {picture}")
    say(f"folder {out}")
    study.tell_troubles(troubles)
    for summary in found:
        for outcome in summary.diverged:
            raise Diverged(f"{summary.line.label} with seed {outcome.seed}: {outcome.diverged}")


def _free_folder(task: str, model: str) -> Path:
    """The first folder of its kind that is not there."""
    stem = f"runs/compare-{Path(task).stem}-{model.replace(':', '.')}"
    return next(folder for n in count(1) if not (folder := Path(f"{stem}-{n}")).exists())


def _print(compared: "Sequence[Compared]") -> None:
    from rich.table import Table

    from lfl.report.spread import spread_words
    from lfl.study.results import paired_words

    first = compared[0].summary.line
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("method", "test error", f"less {first.label}'s, by seed", f"time over {first.label}'s"):
        table.add_column(cell(column), overflow="fold")
    for each in compared:
        ratio = "" if each.time_ratio is None else f"{each.time_ratio:.2f}"
        table.add_row(cell(each.summary.line.label), spread_words(each.error), paired_words(each.less_first), ratio)
    study.print_table(table)
