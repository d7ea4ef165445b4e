"""Options that several commands share, with their completion."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from . import names


def _complete(choices: dict[str, str]) -> Callable[[str], list[tuple[str, str]]]:
    def matches(incomplete: str) -> list[tuple[str, str]]:
        return [(name, line) for name, line in choices.items() if name.startswith(incomplete)]

    return matches


def _choice(choices: dict[str, str], what: str, flag: str) -> object:
    text = f"{what}: {', '.join(choices)}."
    return typer.Option(flag, help=text, autocompletion=_complete(choices))


def _number(what: str, otherwise: str = "the task's") -> object:
    return typer.Option(help=what, show_default=otherwise)


TaskName = Annotated[str | None, _choice(names.TASKS | names.OWN_TASKS, "What to learn", "--task")]
ModelName = Annotated[str | None, _choice(names.MODELS | names.OWN_MODELS, "What learns it", "--model")]
MethodName = Annotated[str | None, _choice(names.METHODS, "How", "--method")]
Loss = Annotated[
    str | None,
    _choice(names.LOSSES | names.OWN_LOSSES, "What the learned loss is made of, or the baseline's loss", "--loss"),
]
Base = Annotated[
    str | None,
    _choice(names.BASES | names.OWN_LOSSES, "What residual, weight-net and true-class start from", "--base"),
]
Steps = Annotated[int | None, _number("Steps of the model.")]
OfflineSteps = Annotated[int | None, _number("Offline steps of the loss before them.")]
InnerSteps = Annotated[int | None, _number("Model steps in an offline step.", "1")]
RestartEvery = Annotated[int | None, _number("Offline steps between two starts of the model; 0 for one start.")]
BatchSize = Annotated[int | None, _number("Examples a batch.")]
InnerLr = Annotated[float | None, _number("Learning rate of the model.")]
OfflineLr = Annotated[float | None, _number("Learning rate of the loss, offline.")]
OuterLr = Annotated[float | None, _number("Learning rate of the loss, online.")]
Momentum = Annotated[float | None, _number("Of sgd.")]
WeightDecay = Annotated[float | None, _number("Of the model.")]
Target = Annotated[str | None, typer.Option(help="Column of your own table to be predicted.", show_default=False)]
Valid = Annotated[
    str | None,
    typer.Option(help="Your own clean data, of the same kind as --task.", show_default="split off train"),
]
ValidSize = Annotated[
    int | None, _number("Examples that are split off train as clean data, and kept out of training.", "10 % of train")
]
Inner = Annotated[str | None, _choice(names.INNER, "The model's optimiser", "--optimizer")]
Schedule = Annotated[str | None, _choice(names.SCHEDULES, "Of the model's learning rate", "--schedule")]
OuterSchedule = Annotated[
    str | None, _choice(names.OUTER_SCHEDULES, "Of the loss's learning rate, online", "--outer-schedule")
]
LabelNoise = Annotated[
    str | None,
    typer.Option(
        help="Make a share of the train labels wrong: symmetric:0.4 (any other class) or pair:0.45 (the next one).",
        show_default="none",
    ),
]
Outliers = Annotated[
    str | None,
    typer.Option(
        help="Make a share of the real train targets wrong: uniform:0.3 (drawn anew) or shift:0.3 (too high).",
        show_default="none",
    ),
]
Imbalance = Annotated[
    float | None,
    typer.Option(help="Drop train examples, until the last class is so many times rarer.", show_default="none"),
]
Kind = Annotated[str | None, _choice(names.KINDS, "What your own targets are, where it is not inferred", "--kind")]
OfflineObjective = Annotated[
    str | None,
    _choice(names.OBJECTIVES, "What offline steps judge by (default train; valid with meta-lr)", "--offline-objective"),
]
MetaObjective = Annotated[
    str | None, _choice(names.OBJECTIVES, "What online steps judge the loss on (default valid)", "--meta-objective")
]
Objective = Annotated[
    str | None,
    _choice(
        names.OBJECTIVE_LOSSES | names.OWN_OBJECTIVES,
        "The loss by which what is learned is judged on validation data",
        "--objective",
    ),
]
Keep = Annotated[str | None, _choice(names.KEEP, "Which model the run leaves", "--keep")]
Hypergradient = Annotated[
    str | None, _choice(names.HYPERGRADIENTS, "How the gradient of the loss network is computed", "--hypergradient")
]
Compile = Annotated[str | None, _choice(names.COMPILE, "Whether the steps are compiled", "--compile")]
ExportTo = Annotated[str, _choice(names.EXPORTS, "What to write", "--to")]
LossReduction = Annotated[str, _choice(names.REDUCTIONS, "Of the losses of a batch, for torch and onnx", "--reduction")]
Precision = Annotated[
    str | None,
    _choice(
        names.PRECISIONS,
        "Of matrix products and convolutions (docs/cost.md has the error that it gives the gradient)",
        "--precision",
    ),
]
Log = Annotated[str | None, _choice(names.LOGS, "What else metrics are written for", "--log")]
DeviceName = Annotated[str | None, _choice(names.DEVICES, "Where to compute", "--device")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="LFL_DATA", help="Folder of downloaded data.", show_default="~/.cache/lfl"),
]
Runs = Annotated[list[Path], typer.Argument(help="Run folders, or folders of seed-S run folders.", metavar="RUN...")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.", show_default="torch's choice")]


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
