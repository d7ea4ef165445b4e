"""The command `lfl export`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .text import say


def export(
    run: Annotated[str, typer.Argument(help="A run folder, or what else lfl.load_loss takes.")],
    to: options.ExportTo,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The file or folder.", show_default="RUN/loss.pt2, .onnx, .txt or .tex, RUN/loss"
        ),
    ] = None,
    reduction: options.LossReduction = "mean",
    loss: options.OwnLoss = None,
    base: options.OwnBase = None,
    trust: options.Trust = False,
) -> None:
    """Write the loss that a run has learned as a program, a formula or a folder to share."""
    from lfl.export import export_loss

    path = export_loss(run, to, out, reduction=reduction, loss=loss, base=base, trust=trust)
    if to in ("sympy", "latex"):
        for line in path.read_text().split("\n"):
            say(line)
    say(f"{to} {path}")
