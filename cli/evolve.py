"""`lfl evolve`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfl.evolution_settings import EVOLUTION, EVOLUTION_PANELS, EVOLUTION_TYPES, RUN_SETTINGS
from lfl.settings import DEFAULT_MODEL, DEFAULT_TASK, SETTINGS, SPEED, TYPES

from . import options
from .common import exit_as_interrupted, prepare, print_results
from .flags import with_flags
from .text import cell, say

if TYPE_CHECKING:
    from lfl.evolution.finalists import Finalist
    from lfl.evolution.session import Searched, Watches

FLAGS = {**{name: SETTINGS[name] for name in RUN_SETTINGS}, **EVOLUTION}

Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", min=1, help="Processes that evaluate candidates; the results do not change.", rich_help_panel=SPEED
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads", min=1, help="CPU threads of each process; their number changes last digits.", rich_help_panel=SPEED
    ),
]


@with_flags(FLAGS, FLAGS, {**TYPES, **EVOLUTION_TYPES}, EVOLUTION_PANELS)
def evolve(
    asked: dict[str, Any],
    *,
    guess: Annotated[
        list[str] | None,
        typer.Option(help="A formula of y and f that the search begins with; may be given again.", show_default=False),
    ] = None,
    device: options.DeviceName = None,
    threads: Threads = 1,
    jobs: Jobs = 1,
    data_dir: options.DataDir = None,
    trust: options.Trust = False,
    out: Annotated[Path | None, typer.Option(help="The folder.", show_default="runs/TASK-MODEL-METHOD-N")] = None,
) -> None:
    """Search a loss as a formula, and train a model on it."""
    from lfl.api.training import draw_learned
    from lfl.device import keep_freed_memory
    from lfl.evolution.api import evaluating, start
    from lfl.evolution.session import carry_on

    where = prepare(device, threads)
    task, model = asked.pop("task", DEFAULT_TASK), asked.pop("model", DEFAULT_MODEL)
    method = asked.pop("method", EVOLUTION["method"].default)
    ready, folder = start(task, model, method, guess or [], out, data_dir, where, jobs=jobs, trust=trust, **asked)
    keep_freed_memory()
    evolution = folder.evolution
    say(
        f"{ready.settings.task}, {ready.settings.model}, {method}, seed {ready.settings.seed}, on {where}: "
        f"{evolution.population} candidates in each of {evolution.generations} generations"
        f"{'' if evolution.minutes is None else f', {evolution.minutes:g} minutes at most'}"
    )
    evaluators = evaluating(folder, ready.task, jobs)
    with watched() as watches:
        searched = carry_on(folder, ready.task, evaluators, watches, draw_learned)
    print_search(searched)


def resume_search(run: Path, device: str | None, threads: int | None, jobs: int, named: Any) -> None:
    """Continues a search for `lfl resume`."""
    from lfl.device import keep_freed_memory
    from lfl.evolution.api import continue_search
    from lfl.evolution.folder import read_search

    facts = read_search(run).facts
    where = prepare(device or facts.device, threads or facts.threads)
    keep_freed_memory()
    say(f"{run}, on {where}")
    with watched() as watches:
        searched = continue_search(run, named=named, device=where, jobs=jobs, watches=watches)
    print_search(searched)


def print_search(searched: "Searched") -> None:
    """Prints how a search ended.

    Raises:
        typer.Exit: it was interrupted; with the status that a shell gives for its signal.
    """
    if searched.result is not None:
        print_results([searched.result])
        exit_as_interrupted([searched.result])
        return
    say(
        f"interrupted after {searched.state.num_candidates} candidates; lfl resume {searched.folder} continues.",
        error=True,
    )
    raise typer.Exit(128 + (searched.signal or 0))


@contextmanager
def watched() -> "Iterator[Watches]":
    """Shows a search, its finalists and the training on the first of them, one after the other."""
    from lfl.evolution.session import Watches

    from .search_progress import Board

    board = Board()

    def chosen(finalists: "tuple[Finalist, ...]") -> None:
        board.close()
        print_finalists(finalists)

    try:
        yield Watches(board.search, chosen, board.train, lambda line: say(line, error=True))
    finally:
        board.close()


def print_finalists(finalists: "tuple[Finalist, ...]") -> None:
    """Prints the formulas that were trained again, with their errors in the search and on other seeds."""
    from rich.table import Table

    from .study import print_table

    if len(finalists[0].errors) == 0:
        say(f"chosen {finalists[0].found.formula}: error in the search {finalists[0].found.fitness:.4f}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("size", "in the search", f"on {len(finalists[0].errors)} other seeds, longer", "formula"):
        table.add_column(cell(column), overflow="fold")
    for i, each in enumerate(finalists):
        chosen = "" if i else " (chosen)"
        table.add_row(
            str(each.found.tree.size),
            f"{each.found.fitness:.4f}",
            f"{each.mean:.4f}",
            cell(f"{each.found.formula}{chosen}"),
        )
    print_table(table)
