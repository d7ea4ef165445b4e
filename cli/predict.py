"""The command `lfl predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .common import prepare
from .text import say

if TYPE_CHECKING:
    import torch

    from lfl.run import Named


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The .csv or .npz to write; of --prompt a .txt.", show_default=False),
    ] = None,
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
    prompt: Annotated[
        str | None, typer.Option(help="Of a run on a text: what is continued.", show_default=False)
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=0, help="Characters that continue the prompt.", show_default="500")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Below 1 likelier characters follow more often; 0 for the likeliest.", show_default="1"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of what follows the prompt.", show_default="0")] = None,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    model: options.OwnModel = None,
    trust: options.Trust = False,
) -> None:
    """Predict with a run's model: classes with probabilities, or values; continue a text; or adapt a few-shot run."""
    from lfl.errors import UserError
    from lfl.fewshot.folder import is_few_shot
    from lfl.run import Named
    from lfl.run import predict as write_predictions

    from .episodes import predict_episodes

    of_text = {"length": length, "temperature": temperature, "seed": seed}
    of_text = {name: value for name, value in of_text.items() if value is not None}
    if prompt is not None:
        if out is not None and out.suffix != ".txt":
            raise UserError(f"a text is written as .txt, got --out {out}.")
        if (source, support, query, steps) != (None,) * 4 or is_few_shot(run):
            raise UserError("--prompt is for runs on a text, and goes with no --input, --support, --query or --steps.")
        _continue(run, prompt, of_text, out, prepare(device, threads), Named(model=model, trust=trust))
        return
    if of_text:
        raise UserError("--length, --temperature and --seed are for --prompt; leave them out.")
    if out is None:
        raise UserError("give --out, the .csv or .npz to write.")
    if is_few_shot(run):
        if support is None or query is None or source is not None:
            raise UserError(
                f"{run} is a few-shot run; give --support and --query, folders of pictures, and no --input."
            )
        predict_episodes(run, support, query, out, steps, device, Named(model=model, trust=trust))
        return
    if source is None or (support, query, steps) != (None, None, None):
        raise UserError("give --input, or of a text --prompt; --support, --query and --steps are for few-shot runs.")
    rows = write_predictions(run, source, out, prepare(device, threads), model=model, trust=trust)
    say(f"{rows} predictions in {out}")


def _continue(
    run: Path, prompt: str, how: dict[str, Any], out: Path | None, where: "torch.device", named: "Named"
) -> None:
    """Prints or writes a prompt and what follows it."""
    from lfl.run import load_model
    from lfl.run.folder import check_output, write_named
    from lfl.run.generate import generate

    if out is not None:
        check_output(out)
    text = prompt + generate(load_model(run, where, model=named.model, trust=named.trust), prompt, **how)
    if out is None:
        for line in text.split("\n"):
            say(line)
        return
    write_named(out, text.encode())
    say(f"{len(text)} characters in {out}")
