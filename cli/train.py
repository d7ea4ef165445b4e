"""`lfl train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import names, options
from .ground import prepare, tell
from .text import say

if TYPE_CHECKING:
    from lfl.task import Task
    from lfl.training import Settings


def train(
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file of settings, or a run's config.json; flags go first.", show_default=False),
    ] = None,
    task: options.TaskName = None,
    model: options.ModelName = None,
    method: options.MethodName = None,
    seed: Annotated[int | None, typer.Option(help="Of the start, the batches and the masks.", show_default="0")] = None,
    steps: options.Steps = None,
    offline_steps: options.OfflineSteps = None,
    inner_steps: options.InnerSteps = None,
    batch_size: options.BatchSize = None,
    inner_lr: options.InnerLr = None,
    offline_lr: options.OfflineLr = None,
    outer_lr: options.OuterLr = None,
    loss: options.Loss = None,
    base: options.Base = None,
    loss_from: Annotated[
        Path | None, typer.Option(help="A run folder whose learned loss --method fixed trains on.", show_default=False)
    ] = None,
    inner: options.Inner = None,
    momentum: options.Momentum = None,
    nesterov: Annotated[
        bool | None, typer.Option("--nesterov/--no-nesterov", help="Nesterov's form of it.", show_default="the task's")
    ] = None,
    weight_decay: options.WeightDecay = None,
    clip_norm: Annotated[
        float | None, typer.Option(help="Greatest norm of the model's gradient.", show_default="none")
    ] = None,
    schedule: options.Schedule = None,
    outer_schedule: options.OuterSchedule = None,
    offline_objective: options.OfflineObjective = None,
    meta_objective: options.MetaObjective = None,
    objective: options.Objective = None,
    restart_every: options.RestartEvery = None,
    redraw_theta: Annotated[
        bool | None,
        typer.Option(
            "--redraw-theta/--no-redraw-theta",
            help="Start the model of the offline steps at another draw each time, or always at the same.",
            show_default="another",
        ),
    ] = None,
    hypergradient: options.Hypergradient = None,
    horizon: Annotated[
        int | None, typer.Option(help="Model steps that an online step of the loss looks through.", show_default="1")
    ] = None,
    meta_every: Annotated[
        int | None, typer.Option(help="Model steps for each online step of the loss.", show_default="--horizon")
    ] = None,
    meta_batch_size: Annotated[
        int | None,
        typer.Option(help="Examples of a batch that the loss's gradient is taken over.", show_default="all"),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Train so many seeds, from --seed on, together where faster.", show_default="one"),
    ] = None,
    compile: options.Compile = None,
    precision: options.Precision = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(help="Steps between two checkpoints; 0 for none.", show_default="a twentieth of --steps"),
    ] = None,
    keep: options.Keep = None,
    log: options.Log = None,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    target: options.Target = None,
    kind: options.Kind = None,
    valid: options.Valid = None,
    valid_size: options.ValidSize = None,
    eval_split: Annotated[
        bool | None, typer.Option("--eval-split", help="Hold out a fourth split, and show the error on it too.")
    ] = None,
    label_noise: options.LabelNoise = None,
    outliers: options.Outliers = None,
    imbalance: options.Imbalance = None,
    data_dir: options.DataDir = None,
    trust: options.Trust = False,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/TASK-MODEL-METHOD-N")] = None,
) -> None:
    """Train a model while its loss is learned, and leave a run folder behind."""
    flags = {name: value for name, value in locals().items() if value is not None}
    out, config = flags.pop("out", None), flags.pop("config", None)
    flags.pop("trust")

    from lfl.device import keep_freed_memory, set_precision
    from lfl.run import allowed_loss_of, data_folder, execute, execute_seeds
    from lfl.run.config import read_allowed
    from lfl.task import load_task
    from lfl.training import is_spoiled, resolve, trains_together

    from .live import watching

    found = {} if config is None else read_allowed(config, flags, trust=trust)
    if "loss" in flags:
        found.pop("base", None)  # it is of the file's loss
    asked = found | flags
    where = prepare(asked.pop("device", "auto"), asked.pop("threads", None))
    seeds = asked.pop("seeds", None)
    asked["task"] = asked.get("task", "digits")
    folder = data_folder(asked["task"], Path(asked.pop("data_dir")) if "data_dir" in asked else None)
    own = {name: asked.get(name) for name in ("target", "kind", "valid", "valid_size")}
    data = load_task(asked["task"], folder, **own, eval_split=asked.get("eval_split", False)).to(where)
    if asked["task"] not in names.TASKS:
        say(_shown(data))
    say(_clean(data))
    if "loss_from" in asked:
        asked["loss_from"] = str(asked["loss_from"])
        named = {name: asked.get(name) for name in ("loss", "base")}
        made = allowed_loss_of(Path(asked["loss_from"]), **named, trust=trust)
        asked = made._asdict() | asked
    settings = resolve(data.defaults, **asked)
    if is_spoiled(settings):
        say(_spoiled(data, settings, seeds))
    set_precision(settings.precision, where)
    keep_freed_memory()

    def title(seeds: str) -> str:
        return f"{settings.task}, {settings.model}, {settings.method}, {seeds}, on {where}"

    if seeds is None:
        with watching(title(f"seed {settings.seed}")) as watch:
            results = [execute(data, settings, out, watch, data_dir=folder)]
    else:
        chosen = range(settings.seed, settings.seed + seeds)
        how = "as one program" if trains_together(data, settings) else "one after the other, which is faster here"
        with watching(title(f"{seeds} seeds from {settings.seed} {how}")) as watch:
            results = execute_seeds(data, settings, chosen, out, watch, data_dir=folder)
    tell(results)


def _spoiled(task: "Task", settings: "Settings", seeds: int | None) -> str:
    """How train was made worse."""
    from lfl.training import spoiled_train

    rows, _, wrong = spoiled_train(task, settings, settings.seed)
    what = "labels" if task.kind == "classification" else "targets"
    draws = f"drawn by seed {settings.seed}" if seeds is None else "drawn anew by each seed"
    left = "" if settings.imbalance is None else f"{len(rows)} of {len(task.train.y)} examples kept, "
    return f"train is spoiled: {left}{int(wrong.sum())} {what} of {len(rows)} wrong, {draws}"


def _shown(task: "Task") -> str:
    """What was found in a user's own data."""
    sizes = ", ".join(f"{len(split.y)} {name}" for name, split in task.splits.items())
    outputs = f"{task.num_outputs} {'classes' if task.kind == 'classification' else 'target columns'}"
    return f"{task.name}: {task.kind}, {outputs}, inputs {list(task.input_shape)}, rows {sizes}"


def _clean(task: "Task") -> str:
    """What a learned loss is judged by, and where it is from."""
    origin = "split off train" if task.valid_from is None else f"from {task.valid_from}"
    return f"clean data: {len(task.valid.y)} examples {origin}, kept out of training"
