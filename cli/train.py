"""`lfl train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfl.catalogue import TASKS
from lfl.settings import SETTINGS

from . import options
from .flags import with_flags
from .ground import prepare, tell
from .text import say

if TYPE_CHECKING:
    from lfl.task import Task
    from lfl.training import Settings


@with_flags(SETTINGS)
def train(
    asked: dict[str, Any],
    *,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file of settings, or a run's config.json; flags go first.", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Train this many seeds, from --seed on, together where faster.", show_default="one"),
    ] = None,
    device: options.DeviceName = None,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    trust: options.Trust = False,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/TASK-MODEL-METHOD-N")] = None,
) -> None:
    """Train a model while its loss is learned, and leave a run folder behind."""
    machine = {"device": device, "threads": threads, "data_dir": data_dir, "seeds": seeds}
    flags = asked | {name: value for name, value in machine.items() if value is not None}

    from lfl.device import keep_freed_memory, set_precision
    from lfl.run import allowed_loss_of, data_folder, execute, execute_seeds
    from lfl.run.config import read_allowed
    from lfl.task import load_task
    from lfl.training import is_corrupted, resolve, trains_together

    from .live import watching

    found = {} if config is None else read_allowed(config, flags, trust=trust)
    if "loss" in flags:
        found.pop("base", None)  # it is of the file's loss
    asked = found | flags
    where = prepare(asked.pop("device", "auto"), asked.pop("threads", None))
    seeds = asked.pop("seeds", None)
    asked["task"] = asked.get("task", SETTINGS["task"].default)
    folder = data_folder(asked["task"], Path(asked.pop("data_dir")) if "data_dir" in asked else None)
    own = {name: asked.get(name) for name in ("target", "kind", "valid", "valid_size")}
    data = load_task(asked["task"], folder, **own, eval_split=asked.get("eval_split", False)).to(where)
    if asked["task"] not in TASKS:
        say(_shown(data))
    say(_clean(data))
    if "loss_from" in asked:
        asked["loss_from"] = str(Path(asked["loss_from"]))
        named = {name: asked.get(name) for name in ("loss", "base")}
        made = allowed_loss_of(Path(asked["loss_from"]), **named, trust=trust)
        asked = made._asdict() | asked
    settings = resolve(data.defaults, **asked)
    if is_corrupted(settings):
        say(_corrupted(data, settings, seeds))
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


def _corrupted(task: "Task", settings: "Settings", seeds: int | None) -> str:
    """How train was made worse."""
    from lfl.training import corrupted_train

    rows, _, wrong = corrupted_train(task, settings, settings.seed)
    what = "labels" if task.kind == "classification" else "targets"
    draws = f"drawn by seed {settings.seed}" if seeds is None else "drawn anew by each seed"
    left = "" if settings.imbalance is None else f"{len(rows)} of {len(task.train.y)} examples kept, "
    return f"train is corrupted on purpose: {left}{int(wrong.sum())} {what} of {len(rows)} wrong, {draws}"


def _shown(task: "Task") -> str:
    """What was found in a user's own data."""
    sizes = ", ".join(f"{len(split.y)} {name}" for name, split in task.splits.items())
    outputs = f"{task.num_outputs} {'classes' if task.kind == 'classification' else 'target columns'}"
    return f"{task.name}: {task.kind}, {outputs}, inputs {list(task.input_shape)}, rows {sizes}"


def _clean(task: "Task") -> str:
    """What a learned loss is judged by, and where it is from."""
    origin = "split off train" if task.valid_from is None else f"from {task.valid_from}"
    return f"clean data: {len(task.valid.y)} examples {origin}, kept out of training"
