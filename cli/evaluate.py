"""The command `lfl eval`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .common import error_name, metrics_line, prepare
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
    from lfl.run import load_model_and_data, measure_test

    where = prepare(device, threads)
    loaded, data = load_model_and_data(run, data_dir, where, model=model, task=task, valid=valid, trust=trust)
    settings = loaded.settings
    error, numbers = measure_test(loaded, data)
    say(f"{error_name(data.kind)} {error:.4f}")
    if numbers:
        say(metrics_line(numbers))
    ended = "" if loaded.completed else ", interrupted"
    say(f"{settings.task}, {settings.model}, {settings.method}, seed {settings.seed}{ended}")
