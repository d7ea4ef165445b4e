"""`lfl resume`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .ground import prepare, tell


def resume(
    run: Annotated[Path, typer.Argument(help="A run folder, or the folder of several seeds.")],
    device: options.DeviceName = None,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
) -> None:
    """Go on with a run that was killed or told to stop, as if nothing had happened."""
    from lfl.device import keep_freed_memory, set_precision
    from lfl.run import read_json, read_settings
    from lfl.run import resume as go_on

    from .live import watching

    settings, config = read_settings(run), read_json(run / "config.json")
    where = prepare(device or config.get("device"), threads or config.get("threads"))
    set_precision(settings.precision, where)
    keep_freed_memory()

    def say(message: str) -> None:
        print(message, file=sys.stderr)

    with watching(f"{run}, on {where}") as watch:
        results = go_on(run, data_dir=data_dir, device=where, watch=watch, say=say)
    tell(results)
