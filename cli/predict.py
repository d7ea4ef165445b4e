"""The command `lfl predict`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .common import prepare
from .text import say


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    source: Annotated[
        Path,
        typer.Option(
            "--input",
            help="A .npz with the array x (x.NAME for several), or a .csv with the columns of the run's own table.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .csv or .npz to write.")],
    device: options.DeviceName = None,
    threads: options.Threads = None,
    model: options.OwnModel = None,
    trust: options.Trust = False,
) -> None:
    """Predict with a run's model: classes with probabilities, or values."""
    from lfl.run import predict as write_predictions

    rows = write_predictions(run, source, out, prepare(device, threads), model=model, trust=trust)
    say(f"{rows} predictions in {out}")
