"""The subcommands."""

import logging
import sys
import warnings
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated

import typer

from . import names, options

if TYPE_CHECKING:
    import torch

    from lfl.task import Task


def train(
    task: options.TaskName = "digits",
    model: options.ModelName = "mlp",
    method: options.MethodName = "adalfl",
    seed: Annotated[int, typer.Option(help="Of the start, the batches and the masks.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of the model.", show_default="the task's")] = None,
    init_steps: Annotated[
        int | None, typer.Option(help="Offline steps of the loss before them.", show_default="the task's")
    ] = None,
    inner_steps: Annotated[int | None, typer.Option(help="Model steps in an offline step.", show_default="1")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a batch.", show_default="the task's")] = None,
    inner_lr: Annotated[
        float | None, typer.Option(help="Learning rate of the model.", show_default="the task's")
    ] = None,
    init_lr: Annotated[
        float | None, typer.Option(help="Learning rate of the loss, offline.", show_default="the task's")
    ] = None,
    outer_lr: Annotated[
        float | None, typer.Option(help="Learning rate of the loss, online.", show_default="the task's")
    ] = None,
    loss: options.Loss = None,
    loss_from: Annotated[
        Path | None, typer.Option(help="A run folder whose learned loss --method fixed trains on.", show_default=False)
    ] = None,
    inner: options.Inner = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd.", show_default="the task's")] = None,
    nesterov: Annotated[
        bool | None, typer.Option("--nesterov/--no-nesterov", help="Nesterov's form of it.", show_default="the task's")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of the model.", show_default="the task's")] = None,
    clip_norm: Annotated[
        float | None, typer.Option(help="Greatest norm of the model's gradient.", show_default="none")
    ] = None,
    schedule: options.Schedule = None,
    init_objective: options.InitObjective = None,
    meta_objective: options.MetaObjective = None,
    redraw_theta: Annotated[
        bool, typer.Option(help="Start each offline step at another model, or always at the same.")
    ] = True,
    hypergradient: options.Hypergradient = "auto",
    lookahead: Annotated[
        int | None, typer.Option(help="Model steps that an online step of the loss looks through.", show_default="1")
    ] = None,
    meta_every: Annotated[
        int | None, typer.Option(help="Model steps for each online step of the loss.", show_default="--lookahead")
    ] = None,
    meta_batch_size: Annotated[
        int | None,
        typer.Option(help="Examples of a batch that the loss's gradient is taken over.", show_default="all"),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Train so many seeds, from --seed on, together where faster.", show_default="one"),
    ] = None,
    compile: options.Compile = "auto",
    precision: options.Precision = "float32",
    device: options.DeviceName = "auto",
    threads: options.Threads = None,
    target: Annotated[
        str | None, typer.Option(help="Column of your own table to be predicted.", show_default=False)
    ] = None,
    kind: options.Kind = None,
    eval_split: Annotated[
        bool, typer.Option("--eval-split", help="Hold out a fourth split, and show the error on it too.")
    ] = False,
    data_dir: options.DataDir = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/TASK-MODEL-METHOD-N")] = None,
) -> None:
    """Train a model while its loss is learned, and leave a run folder behind."""
    from lfl.device import keep_freed_memory, set_precision
    from lfl.report import draw_losses
    from lfl.run import execute, execute_seeds, learned_loss_of
    from lfl.task import load_task
    from lfl.training import resolve, trains_together

    from .live import watching

    where = _prepare(device, threads)
    folder = options.data_folder(data_dir)
    data = load_task(task, folder, target=target, kind=kind, eval_split=eval_split).to(where)
    if task not in names.TASKS:
        print(_shown(data))
    settings = resolve(
        data.defaults,
        task=task,
        model=model,
        method=method,
        seed=seed,
        steps=steps,
        init_steps=init_steps,
        inner_steps=inner_steps,
        batch_size=batch_size,
        inner_lr=inner_lr,
        init_lr=init_lr,
        outer_lr=outer_lr,
        target=target,
        kind=kind,
        eval_split=eval_split,
        loss=loss if loss is not None or loss_from is None else learned_loss_of(loss_from),
        loss_from=None if loss_from is None else str(loss_from),
        inner=inner,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        schedule=schedule,
        init_objective=init_objective,
        meta_objective=meta_objective,
        redraw_theta=redraw_theta,
        hypergradient=hypergradient,
        lookahead=lookahead,
        meta_every=meta_every,
        meta_batch_size=meta_batch_size,
        compile=compile,
        precision=precision,
    )
    set_precision(precision, where)
    keep_freed_memory()
    title = f"{task}, {model}, {method}, {{}}, on {where}"
    if seeds is None:
        with watching(title.format(f"seed {seed}")) as watch:
            results = [execute(data, settings, out, watch)]
    else:
        chosen = range(seed, seed + seeds)
        how = "as one program" if trains_together(data, settings) else "one after the other, which is faster here"
        with watching(title.format(f"{seeds} seeds from {seed} {how}")) as watch:
            results = execute_seeds(data, settings, chosen, out, watch)
    for result in results:
        draw_losses(result.folder)
        errors = f"{result.test_error:.4f} (validation {result.valid_error:.4f})"
        print(f"{_measure(data.kind)} {errors} in {result.seconds:.1f} s")
        print(f"run folder {result.folder}")
    if len(results) > 1:
        tests = [result.test_error for result in results]
        print(f"over {len(tests)} seeds {mean(tests):.4f} ± {stdev(tests):.4f}")
    last = results[-1]
    if not last.completed:
        print(f"interrupted at step {last.step} of phase {last.phase}; saved as it was.", file=sys.stderr)
        raise typer.Exit(130)


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    device: options.DeviceName = "auto",
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
) -> None:
    """Load a run and measure its test error again."""
    from lfl.run import load_run, test_error

    loaded = load_run(run, options.data_folder(data_dir), _prepare(device, threads))
    settings = loaded.settings
    print(f"{_measure(loaded.task.kind)} {test_error(loaded):.4f}")
    ended = "" if loaded.completed else ", interrupted"
    print(f"{settings.task}, {settings.model}, {settings.method}, seed {settings.seed}{ended}")


def listing() -> None:
    """Show the tasks, models, methods and losses."""
    tables = {
        "tasks": names.TASKS | names.OWN_TASKS,
        "models": names.MODELS | names.OWN_MODELS,
        "methods": names.METHODS,
        "losses": names.LOSSES,
    }
    for title, known in tables.items():
        print(title)
        for name, line in known.items():
            print(f"  {name:<22} {line}")


def _prepare(device: str, threads: int | None) -> "torch.device":
    """Set the number of threads, and find the device.

    Two messages of torch's about itself are kept from the user: the compiler looks for CUDA's tools also where it
    compiles for the CPU, and forward mode scripts its decompositions.
    """
    warnings.filterwarnings("ignore", r".*torch\.jit\..* is deprecated")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import torch

    from lfl.device import resolve_device

    if threads is not None:
        torch.set_num_threads(threads)
    return resolve_device(device)


def _shown(task: "Task") -> str:
    """What was found in a user's own data."""
    sizes = ", ".join(f"{len(split.y)} {name}" for name, split in task.splits.items())
    outputs = f"{task.num_outputs} {'classes' if task.kind == 'classification' else 'target columns'}"
    return f"{task.name}: {task.kind}, {outputs}, inputs {list(task.input_shape)}, rows {sizes}"


def _measure(kind: str) -> str:
    return "test error" if kind == "classification" else "test mean squared error"
