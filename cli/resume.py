"""The command `lfl resume`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .common import exit_as_interrupted, prepare, print_results
from .ranks import joined, own_device
from .text import say

if TYPE_CHECKING:
    from lfl.run import Named
    from lfl.step import Ranks


def resume(
    run: Annotated[
        Path, typer.Argument(help="A run folder, also a few-shot one, the folder of several seeds, or of a search.")
    ],
    device: options.DeviceName = None,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    model: options.OwnModel = None,
    objective: options.OwnObjective = None,
    task: options.OwnTask = None,
    valid: options.OwnValid = None,
    loss: options.OwnLoss = None,
    base: options.OwnBase = None,
    loss_from: Annotated[
        str | None,
        typer.Option(help="The run whose loss --method fixed trains on, as in the settings.", show_default=False),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(help="The run's own --log, whose metrics may be sent to wandb or mlflow.", show_default=False),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that evaluate the candidates of a search.")] = 1,
    trust: options.Trust = False,
) -> None:
    """Continue a run that was killed or interrupted, as if it had not been."""
    from lfl.fewshot.folder import is_few_shot
    from lfl.run import Named
    from lfl.run.searched import is_search

    from .episodes import resume_episodes
    from .evolve import resume_search

    named = Named(
        model=model,
        loss=loss,
        base=base,
        objective=objective,
        task=task,
        valid=valid,
        loss_from=loss_from,
        log=log,
        trust=trust,
    )
    if is_few_shot(run):
        resume_episodes(run, device, threads, data_dir, named)
        return
    if is_search(run):
        resume_search(run, device, threads, jobs, named._replace(data_dir=data_dir))
        return
    with joined() as ranks:
        _resume(run, device, threads, data_dir, named, ranks)


def _resume(
    run: Path, device: str | None, threads: int | None, data_dir: Path | None, named: "Named", ranks: "Ranks | None"
) -> None:
    """Continues a run, as one of several ranks where there are."""
    from lfl.api.training import draw_learned
    from lfl.device import keep_freed_memory, set_precision
    from lfl.run import read_facts, read_settings
    from lfl.run import resume as resume_run

    from .progress import watching

    settings, facts = read_settings(run), read_facts(run)
    where = own_device(prepare(device or facts.device, threads or facts.threads), ranks)
    set_precision(settings.precision, where)
    keep_freed_memory()

    shared = "" if ranks is None else f", {ranks.size} ranks"
    with watching(f"{run}, on {where}{shared}") as watch:
        results = resume_run(
            run,
            data_dir=data_dir,
            device=where,
            watch=watch,
            say=partial(say, error=True),
            named=named,
            draw=draw_learned,
            group=ranks,
        )
    if ranks is None or ranks.rank == 0:
        print_results(results)
    exit_as_interrupted(results)
