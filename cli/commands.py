"""The subcommands."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import names, options

if TYPE_CHECKING:
    import torch


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
    init_objective: Annotated[
        str | None,
        typer.Option(
            help="What offline steps judge the loss on: their own train batch, or a valid one: train, valid.",
            show_default="train",
            autocompletion=lambda: ["train", "valid"],
        ),
    ] = None,
    redraw_theta: Annotated[
        bool, typer.Option(help="Start each offline step at another model, or always at the same.")
    ] = True,
    device: options.DeviceName = "auto",
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/TASK-MODEL-METHOD-N")] = None,
) -> None:
    """Train a model while its loss is learned, and leave a run folder behind."""
    from lfl.report import draw_losses
    from lfl.run import execute
    from lfl.task import load_task
    from lfl.training import resolve

    from .live import watching

    target = _prepare(device, threads)
    data = load_task(task, options.data_folder(data_dir)).to(target)
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
        init_objective=init_objective,
        redraw_theta=redraw_theta,
    )
    with watching(f"{task}, {model}, {method}, seed {seed}, on {target}") as watch:
        result = execute(data, settings, out, watch)
    draw_losses(result.folder)
    errors = f"{result.test_error:.4f} (validation {result.valid_error:.4f})"
    print(f"{_measure(data.kind)} {errors} in {result.seconds:.1f} s")
    print(f"run folder {result.folder}")
    if not result.completed:
        print(f"interrupted at step {result.step} of phase {result.phase}; saved as it was.", file=sys.stderr)
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
    """Show the tasks, models and methods."""
    for title, known in (("tasks", names.TASKS), ("models", names.MODELS), ("methods", names.METHODS)):
        print(title)
        for name, line in known.items():
            print(f"  {name:<10} {line}")


def _prepare(device: str, threads: int | None) -> "torch.device":
    """Set the number of threads, and find the device."""
    import torch

    from lfl.device import resolve_device

    if threads is not None:
        torch.set_num_threads(threads)
    return resolve_device(device)


def _measure(kind: str) -> str:
    return "test error" if kind == "classification" else "test mean squared error"
