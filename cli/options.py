"""Options that are no settings of a run and that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from lfl.choices import DEVICES, EXPORTS, REDUCTIONS
from lfl.entry import about
from lfl.settings import DATA, SPEED

from .flags import choice

DeviceName = Annotated[str | None, choice(DEVICES, "Where to compute", "--device", rich_help_panel=SPEED)]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="CPU threads.", show_default="torch's choice", rich_help_panel=SPEED),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="LFL_DATA",
        help="Folder of downloaded data.",
        show_default="~/.cache/lfl",
        rich_help_panel=DATA,
    ),
]
Runs = Annotated[list[Path], typer.Argument(help="Run folders, or folders of seed-S run folders.", metavar="RUN...")]
ExportTo = Annotated[str, choice(about(EXPORTS), "What to write", "--to")]
LossReduction = Annotated[
    str, choice(REDUCTIONS, "Reduction of the losses of a batch, for torch and onnx", "--reduction")
]

Trust = Annotated[
    bool,
    typer.Option("--trust", help="Allow all that the file or folder asks for: code, and data elsewhere."),
]
OwnModel = Annotated[
    str | None, typer.Option("--model", help="The run's own MODULE:FUNCTION, whose code may run.", show_default=False)
]
OwnLoss = Annotated[
    str | None,
    typer.Option("--loss", help="The run's own loss MODULE:FUNCTION, whose code may run.", show_default=False),
]
OwnBase = Annotated[
    str | None,
    typer.Option("--base", help="The run's own base MODULE:FUNCTION, whose code may run.", show_default=False),
]
OwnObjective = Annotated[
    str | None,
    typer.Option("--objective", help="The run's own MODULE:FUNCTION, whose code may run.", show_default=False),
]
OwnTask = Annotated[
    str | None, typer.Option("--task", help="The run's own data, where they lie now.", show_default=False)
]
OwnValid = Annotated[
    str | None, typer.Option("--valid", help="The run's own clean data, where they lie now.", show_default=False)
]
