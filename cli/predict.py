"""The command `lfl predict`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .common import prepare
from .text import say


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .csv or .npz to write.")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="A .npz with the array x (x.NAME for several), or a .csv with the columns of the run's own table.",
            show_default=False,
        ),
    ] = None,
    support: Annotated[
        Path | None,
        typer.Option(
            help="Of a few-shot run: a folder of pictures for each class, to be learned from.", show_default=False
        ),
    ] = None,
    query: Annotated[
        Path | None, typer.Option(help="Of a few-shot run: a folder of pictures to be named.", show_default=False)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Of a few-shot run: steps on the task.", show_default="the run's")
    ] = None,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    model: options.OwnModel = None,
    trust: options.Trust = False,
) -> None:
    """Predict with a run's model: classes with probabilities, or values; or adapt a few-shot run, and predict."""
    from lfl.errors import UserError
    from lfl.fewshot.folder import is_few_shot
    from lfl.run import Named
    from lfl.run import predict as write_predictions

    from .episodes import predict_episodes

    if is_few_shot(run):
        if support is None or query is None or source is not None:
            raise UserError(
                f"{run} is a few-shot run; give --support and --query, folders of pictures, and no --input."
            )
        predict_episodes(run, support, query, out, steps, device, Named(model=model, trust=trust))
        return
    if source is None or (support, query, steps) != (None, None, None):
        raise UserError("give --input; --support, --query and --steps are for few-shot runs.")
    rows = write_predictions(run, source, out, prepare(device, threads), model=model, trust=trust)
    say(f"{rows} predictions in {out}")
