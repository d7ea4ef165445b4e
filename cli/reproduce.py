"""`lfl reproduce`: the paper's tables, made again by running their experiments."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfl.choices import TABLES

from . import options, study
from .flags import complete, with_flags
from .text import cell, say

if TYPE_CHECKING:
    from lfl.study import Summary
    from lfl.study.results_file import Cells, Format

Table = Annotated[str, typer.Argument(help=f"Which: {', '.join(TABLES)}.", autocompletion=complete(TABLES))]


@with_flags(["steps", "offline_steps", "compile"])
def reproduce(
    asked: dict[str, Any],
    *,
    table: Table,
    rows: Annotated[
        str | None,
        typer.Option(help="TASK/MODEL,... of the paper's or beyond them.", show_default="all of the paper's"),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Lines of a row: methods, methods with settings ('adalfl outer_lr=1e-4'), baseline-tuned.",
            show_default="the paper's, and baseline-tuned",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each, from 0 on; the paper has 10.")] = 3,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    jobs: study.Jobs = 1,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the runs; what is there is not run again, whatever the table.")
    ] = Path("runs/reproduce"),
    csv: Annotated[
        Path | None, typer.Option(help="A CSV file that takes the lines in; its others stay.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(help="A Markdown file whose table takes the lines in; the rest stays.", show_default=False),
    ] = None,
    engine: study.EngineName = "loky",
) -> None:
    """Run the experiments of one of the paper's tables, and print them beside its figures.

    Interrupted and called again it runs what is missing. Table 2, of times, comes from the runs of Table 1.
    """
    from lfl.device import resolve_device
    from lfl.errors import one_of
    from lfl.run.folder import check_output
    from lfl.study import (
        Resources,
        check_paths,
        defaults_of,
        entries,
        parse_engine,
        parse_row,
        plan,
        run_study,
        share_of_threads,
        summarise,
        table_lines,
    )
    from lfl.study.results_file import (
        csv_cells,
        csv_format,
        markdown_format,
        merge_results,
        read_results,
        readable_cells,
        write_results,
    )

    one_of("table", table, list(TABLES))
    number, hours = int(table.removeprefix("table")), table == "table2"
    lines = table_lines(
        number,
        None if rows is None else [parse_row(row) for row in study.split(rows, "--rows")],
        None if methods is None else study.split(methods, "--methods"),
        defaults_of,
    )
    where = parse_engine(engine, jobs)
    if where.kind == "loky":
        resolve_device(device or "auto")
    else:
        out, data_dir = out.absolute(), None if data_dir is None else data_dir.absolute()
    planned = plan(lines, out, asked, defaults_of)
    check_paths(planned, where)
    as_csv, as_markdown = csv_format(), markdown_format(hours=hours)
    for path, form in ((csv, as_csv), (markdown, as_markdown)):
        if path is not None:
            check_output(path)
            read_results(path, form)  # hours before it is written: is it one?
    resources = Resources(where, data_dir, (), device or "auto", share_of_threads(threads, where))
    chosen = range(seeds)
    with study.shown_study(out) as show:
        failed = run_study(planned, chosen, out, resources, show)
    found = [each for line, experiments in planned if (each := summarise(line, experiments, chosen)) is not None]
    table_entries = entries(found, _baselines(found, out, asked, chosen), hours=hours)
    if table_entries:
        for_people = readable_cells(table_entries, hours=hours)
        for form, cells, into in ((as_csv, csv_cells(table_entries), csv), (as_markdown, for_people, markdown)):
            write_results(out / f"{table}.{form.suffix}", form, cells, number)
            if into is not None:
                merge_results(into, form, cells, number)
        _print(for_people, as_markdown)
        say(f"{out / table}.csv, {out / table}.md")
    study.report_failures(failed)


def _baselines(
    found: "Sequence[Summary]", out: Path, common: dict[str, Any], seeds: Sequence[int]
) -> "dict[str, Summary]":
    """The baseline of each row, as far as its runs are there."""
    from lfl.errors import UserError
    from lfl.study import Line, candidates_of, defaults_of, plan, summarise

    baselines = {}
    for task, model in dict.fromkeys((summary.line.task, summary.line.model) for summary in found):
        line = Line(task, model, "baseline", candidates_of("baseline", defaults_of(task).inner_lr))
        ((_, experiments),) = plan([line], out, common, defaults_of)
        try:
            summary = summarise(line, experiments, seeds)
        except UserError:  # of other settings than what was asked for
            continue
        if summary is not None:
            baselines[summary.experiment.row] = summary
    return baselines


def _print(cells: "Cells", form: "Format") -> None:
    """The table, without columns that are empty throughout."""
    from rich.table import Table as Shown

    from lfl.study.results_file import remark

    filled = [i for i in range(len(form.columns) - 3) if any(rest[i] for rest in cells.values())]
    shown = Shown(padding=(0, 1, 0, 0), box=None)
    for column in ("row", "method"):
        shown.add_column(column, no_wrap=True)
    for i in filled:
        shown.add_column(form.columns[3 + i])
    last = None
    for (task, model, method), rest in cells.items():
        row = f"{task}/{model}"
        shown.add_row(*map(cell, [row if row != last else "", method, *(rest[i] for i in filled)]))
        last = row
    study.print_table(shown)
    say(remark(cells))
