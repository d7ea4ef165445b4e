"""The command `lfl eval`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .common import error_name, metrics_line, prepare
from .flags import choice
from .text import say


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    device: options.DeviceName = None,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    model: options.OwnModel = None,
    task: options.OwnTask = None,
    valid: options.OwnValid = None,
    trust: options.Trust = False,
    tasks: Annotated[
        int | None, typer.Option(min=1, help="Fixed episodes, of a few-shot run.", show_default="600")
    ] = None,
    split: Annotated[
        str | None,
        choice(
            {"test": "test", "valid": "validation", "train": "train"},
            "Whose episodes, of a few-shot run",
            "--split",
            show_default="test",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Steps on a task, of a few-shot run.", show_default="the run's")
    ] = None,
) -> None:
    """Load a run and measure its test error and metrics again."""
    from lfl.errors import UserError
    from lfl.fewshot.folder import is_few_shot
    from lfl.run import Named, load_model_and_data, measure_test

    from .episodes import evaluate_episodes

    if is_few_shot(run):
        named = Named(model=model, task=task, data_dir=data_dir, trust=trust)
        evaluate_episodes(run, tasks or 600, split or "test", steps, device, threads, named)
        return
    for flag, given in (("--tasks", tasks), ("--split", split), ("--steps", steps)):
        if given is not None:
            raise UserError(f"{flag} is for few-shot runs, and {run} is none; leave it out.")

    where = prepare(device, threads)
    loaded, data = load_model_and_data(run, data_dir, where, model=model, task=task, valid=valid, trust=trust)
    settings = loaded.settings
    error, numbers = measure_test(loaded, data)
    say(f"{error_name(data.kind)} {error:.4f}")
    if numbers:
        say(metrics_line(numbers))
    ended = "" if loaded.completed else ", interrupted"
    say(f"{settings.task}, {settings.model}, {settings.method}, seed {settings.seed}{ended}")
