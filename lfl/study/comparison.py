"""Methods compared with the first of them on one task and model: `lfl.compare`."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from ..device import resolve_device, set_precision
from ..errors import one_of
from ..old_names import with_new_names
from ..report.collect import Comparison as Curves
from ..report.collect import collect_runs, labels_of
from ..report.curves import learning_panels
from ..report.figures import FORMATS, draw_panels, rendered
from ..report.statistics import Spread
from ..run import data_folder
from ..run.folder import explained, write_bytes, write_json
from ..settings import DEFAULT_MODEL, DEFAULT_TASK, SETTINGS
from ..task import load_task
from ..text import to_cell
from .engine import parse_engine, share_of_threads
from .experiment import Experiment, Line, Planned, candidates_of, make_experiment
from .grid import FailedExperiment, Resources, check_paths, run_study
from .paper_tables import check_names
from .result import Paired, Summary, ratio, summarise
from .status import Status

COLUMNS = [
    "task",
    "model",
    "method",
    "seeds",
    "mean",
    "std",
    "difference",
    "difference_std",
    "t",
    "p",
    "time_ratio",
    "commit",
]

OWN = ("target", "kind", "valid", "valid_size", "context")
"""Settings that data are loaded by."""


class Compared(NamedTuple):
    """A method beside the first.

    Args:
        summary: of the method.
        error: mean and standard deviation of the test error over the seeds.
        difference: test error minus the first method's, by seed; None for the first, and where a seed diverged.
        time_ratio: time over the first method's.
    """

    summary: Summary
    error: Spread
    difference: Paired | None
    time_ratio: float | None


class Comparison(NamedTuple):
    """What `compare` returns.

    Args:
        folder: holds the run folders, `comparison.json`, `comparison.csv` and the learning curves.
        methods: each method beside the first, in their order; none where the first could not be run.
        summaries: of the methods whose runs are all there.
        failed: what could not be run, and why.
        pictures: the paths of the learning curves.
    """

    folder: Path
    methods: list[Compared]
    summaries: list[Summary]
    failed: list[FailedExperiment]
    pictures: list[Path]


def compare(
    task: str = DEFAULT_TASK,
    model: str = DEFAULT_MODEL,
    methods: Sequence[str] = ("baseline", "adalfl"),
    *,
    seeds: int = 5,
    seed: int = 0,
    jobs: int = 1,
    engine: str = "loky",
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
    device: str | None = None,
    threads: int | None = None,
    progress: Callable[[Status], None] | None = None,
    **settings: Any,
) -> Comparison:
    """Trains methods from the same starts on the same batches, seed by seed, and compares them with the first.

    What lies in `out` already is not run again, and an interrupted run continues from its checkpoint.

    Args:
        task, model: names, or a user's own file or `"module:function"`, as for `lfl train`.
        methods: methods, methods with settings (`"adalfl outer_lr=1e-4"`, `"baseline loss=focal"`) or
            `"baseline-tuned"`: a cosine schedule and the best of five rates by validation error.
        seeds: how many, from `seed` on.
        seed: the first.
        jobs: processes of this machine; 1 for this process.
        engine: `"loky"` for processes of this machine; `"dask=ADDRESS"` of a scheduler, or `"ray"`, for a cluster.
        out: folder of the runs and of what was found; `runs/compare-TASK-MODEL-N` when omitted.
        data_dir: folder of the data sets; lfl's own cache when omitted.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"` or `"auto"`, which several processes take as one GPU each.
        threads: CPU threads of each process; its share of the cores when omitted.
        progress: called with a `Status` at the beginning, about twice a second (from a thread of its own), and at the
            end; what it raises stops the comparison.
        settings: of all methods, as the flags of `lfl train`: `steps=1000`, `inner_lr=0.1`; None for the task's.

    Returns:
        The `Comparison`. A seed that diverges is an outcome, and its method has no mean. A method that could not be
        run is in `failed`; the others are compared.

    Raises:
        UserError: a name or setting that cannot be used; runs of other settings in `out`; another process at work in
            it; an engine that is not there.
        Failure: data cannot be had, or the disk cannot be written.
        KeyboardInterrupt: Ctrl-C or SIGTERM; every run has saved a checkpoint, and the same call continues.

    Example:
        >>> found = compare(methods=("baseline", "adalfl"), seeds=3, jobs=2, out="comparison")  # doctest: +SKIP
        >>> for method in found.methods:  # doctest: +SKIP
        ...     print(method.summary.line.label, method.error, method.difference, method.time_ratio)
    """
    where = parse_engine(engine, jobs)
    check_names(task, model)
    settings = with_new_names(settings)
    for name in settings:
        one_of("setting", name, list(SETTINGS))
    settings = dict.fromkeys(OWN) | settings
    own = tuple((name, settings[name]) for name in OWN)
    folder = Path(out) if out is not None else _free_folder(task, model)
    data = None if data_dir is None else Path(data_dir)
    if where.kind == "loky":
        set_precision(settings.get("precision") or "float32", resolve_device(device or "auto"))
    else:
        folder, data = folder.absolute(), None if data is None else data.absolute()
    defaults = load_task(task, data_folder(task, data), **dict(own)).defaults
    rate = settings.get("inner_lr") or defaults.inner_lr
    lines = [Line(task, model, label, candidates_of(label, rate)) for label in dict.fromkeys(methods)]
    planned = plan(lines, folder, settings, lambda name: defaults)
    check_paths(planned, where)
    resources = Resources(where, data, own, device or "auto", share_of_threads(threads, where))
    chosen = range(seed, seed + seeds)
    failed = run_study(planned, chosen, folder, resources, progress)
    summaries = [found for line, experiments in planned if (found := summarise(line, experiments, chosen)) is not None]
    compared: list[Compared] = []
    pictures: list[Path] = []
    if summaries and summaries[0].line is lines[0]:
        compared = compare_with_first(summaries)
        write_comparison(folder, compared)
        pictures = draw_learning(summaries, folder)
    return Comparison(folder, compared, summaries, failed, pictures)


def plan(lines: Sequence[Line], out: Path, common: dict[str, Any], defaults_of: Callable[[str], Any]) -> Planned:
    """Returns the lines of a study with the experiments of their candidates.

    Args:
        lines: of the study.
        out: its folder.
        common: settings of all experiments; None for the task's.
        defaults_of: gives the defaults of a task by its name.
    """

    def experiments(line: Line) -> list[Experiment]:
        defaults = defaults_of(line.task)
        return [make_experiment(out, line.task, line.model, each, defaults, common) for each in line.candidates]

    return [(line, experiments(line)) for line in lines]


def compare_with_first(summaries: Sequence[Summary]) -> list[Compared]:
    """Sets each method beside the first."""
    first = summaries[0]
    return [
        Compared(
            summary,
            summary.error,
            None if summary is first else summary.minus(first),
            ratio(summary.seconds, first.seconds),
        )
        for summary in summaries
    ]


def write_comparison(folder: Path, compared: Sequence[Compared]) -> None:
    """Writes `comparison.json`, with every seed, and `comparison.csv`, a line a method.

    Raises:
        Failure: the files cannot be written.
    """
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([COLUMNS, *map(_csv_line, compared)])
    with explained(f"write into {folder}", "make room there"):
        write_json(folder / "comparison.json", [_json_of(each) for each in compared])
        write_bytes(folder / "comparison.csv", file.getvalue().encode())


def draw_learning(summaries: Sequence[Summary], folder: Path) -> list[Path]:
    """Draws `learning.png` and `learning.svg`: the validation error over the steps, mean and range over the seeds.

    Args:
        summaries: of one task and model, drawn under their labels; seeds that diverged are left out.
        folder: where to.

    Returns:
        The pictures; none where there is nothing to draw.

    Raises:
        Failure: the files cannot be written.
    """
    groups = []
    for summary in summaries:
        runs = [summary.experiment.run(outcome.seed) for outcome in summary.outcomes if outcome.diverged is None]
        for curves in collect_runs(runs)[0]:
            groups += [group._replace(label=summary.line.label) for group in curves.groups]
    drawn = [Curves(summaries[0].line.task, summaries[0].line.model, groups)] if groups else []
    panels = learning_panels(drawn)
    if not panels:
        return []
    figure = draw_panels(panels, labels_of(drawn))
    pictures = [folder / f"learning.{form}" for form in FORMATS]
    with explained(f"write into {folder}", "make room there"):
        for path, form in zip(pictures, FORMATS, strict=True):
            write_bytes(path, rendered(figure, form))
    return pictures


def _free_folder(task: str, model: str) -> Path:
    """The first of `runs/compare-TASK-MODEL-1`, `-2` and so on that is not there."""
    stem = f"runs/compare-{Path(task).stem}-{model.replace(':', '.')}"
    return next(folder for n in count(1) if not (folder := Path(f"{stem}-{n}")).exists())


def _csv_line(each: Compared) -> list[Any]:
    paired = each.difference or Paired(0, math.nan, None, None, None)
    numbers = [*each.error, paired.mean, paired.std, paired.t, paired.p, each.time_ratio]
    digits = ["" if number is None or math.isnan(number) else f"{number:.6g}" for number in numbers]
    return [*map(to_cell, each.summary.line.key), len(each.summary.outcomes), *digits, each.summary.commit]


def _json_of(each: Compared) -> dict[str, Any]:
    summary = each.summary
    return {
        "method": summary.line.label,
        "settings": {name: value for name, value in asdict(summary.experiment.settings).items() if name != "seed"},
        "mean": _number(each.error.mean),
        "std": _number(each.error.std),
        "less_first": None if each.difference is None else each.difference._asdict(),
        "time_ratio": each.time_ratio,
        "commit": summary.commit,
        "seeds": [
            {
                "seed": outcome.seed,
                "test_error": _number(outcome.test_error),
                "valid_error": _number(outcome.valid_error),
                "seconds": _number(outcome.seconds),
                "diverged": outcome.diverged,
            }
            for outcome in summary.outcomes
        ],
    }


def _number(value: float | None) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if value is not None and math.isfinite(value) else None
