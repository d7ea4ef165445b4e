"""`lfl eval`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .ground import measure, metrics_words, prepare
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
) -> None:
    """Load a run and measure its test error and metrics again."""
    from lfl.run import load_run, measure_test

    where = prepare(device, threads)
    loaded = load_run(run, data_dir, where, model=model, task=task, valid=valid, trust=trust)
    settings = loaded.settings
    error, numbers = measure_test(loaded)
    say(f"{measure(loaded.task.kind)} {error:.4f}")
    if numbers:
        say(metrics_words(numbers))
    ended = "" if loaded.completed else ", interrupted"
    say(f"{settings.task}, {settings.model}, {settings.method}, seed {settings.seed}{ended}")
