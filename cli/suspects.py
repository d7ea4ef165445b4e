"""The command `lfl suspects`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .common import prepare
from .text import say

if TYPE_CHECKING:
    from lfl.run import Ranked


def suspects(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .csv to write.")] = Path("suspects.csv"),
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many of the most suspect are written.", show_default="all")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", help="The .png or .svg of the 48 worst, where inputs are images.", show_default="beside --out"
        ),
    ] = None,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    model: options.OwnModel = None,
    task: options.OwnTask = None,
    valid: options.OwnValid = None,
    trust: options.Trust = False,
) -> None:
    """Rank the train examples of a run by how likely their label or target is wrong."""
    from lfl.errors import UserError
    from lfl.run import load_model_and_data, rank_suspects
    from lfl.run.folder import check_named, write_named
    from lfl.run.suspects import to_csv

    picture = out.with_suffix(".png") if sheet is None else sheet
    if out.suffix != ".csv":
        raise UserError(f"suspects are written as .csv, got {out}.")
    if picture.suffix not in (".png", ".svg"):
        raise UserError(f"the sheet is written as .png or .svg, got {picture}.")
    check_named(out)
    check_named(picture)
    where = prepare(device, threads)
    loaded = load_model_and_data(run, data_dir, where, model=model, task=task, valid=valid, trust=trust)
    ranked = rank_suspects(*loaded)
    drawn = _drawn(ranked, picture, asked=sheet is not None)
    write_named(out, to_csv(ranked, top))
    count = len(ranked.rows)
    written = count if top is None else min(top, count)
    doubted = int((ranked.found.scores > 0).sum())
    found = "" if ranked.found.label_probability is None else f", {doubted} of which the model gives another label"
    say(f"{count} train examples{found}; {written} in {out}")
    if drawn is not None:
        write_named(picture, drawn)
        say(f"the worst in {picture}")
    _say_agreement(ranked)


def _drawn(ranked: "Ranked", picture: Path, *, asked: bool) -> bytes | None:
    """Draws the sheet where inputs are images; None otherwise."""
    from lfl.errors import UserError
    from lfl.report import has_images, suspects_figure
    from lfl.report.figures import rendered

    if has_images(ranked):
        return rendered(suspects_figure(ranked), picture.suffix[1:])
    if asked:
        shape = list(ranked.task.input_shape)
        raise UserError(f"--sheet is for images, [1 or 3, height, width], got inputs {shape}; leave it out.")
    return None


def _say_agreement(ranked: "Ranked") -> None:
    from lfl.run import agreement

    if ranked.wrong is None:
        return
    measured = agreement(ranked.wrong, ranked.found.scores)
    say(
        f"{measured.wrong} were made wrong: precision {measured.precision:.4f} among the first {measured.wrong}, "
        f"{measured.precision_at_100:.4f} among the first 100; area under the ROC curve {measured.area:.4f}"
    )
