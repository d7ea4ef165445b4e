"""`lfl train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfl.catalogue import TASKS
from lfl.errors import UserError
from lfl.fewshot_settings import FEWSHOT_PANELS, asks_for_episodes, flags_of_train

from . import options
from .common import exit_as_interrupted, prepare, print_results
from .flags import with_flags
from .ranks import joined, own_device
from .text import say

if TYPE_CHECKING:
    from lfl.step import Ranks
    from lfl.task import Task
    from lfl.training import Settings


FLAGS, TYPES = flags_of_train()


@with_flags(FLAGS, FLAGS, TYPES, FEWSHOT_PANELS)
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
    """Train a model while its loss is learned, or a few-shot learner (--task omniglot); leave a run folder behind."""
    with joined() as ranks:
        _train(asked, config, seeds, device, threads, data_dir, trust, out, ranks)


def _train(
    asked: dict[str, Any],
    config: Path | None,
    seeds: int | None,
    device: str | None,
    threads: int | None,
    data_dir: Path | None,
    trust: bool,
    out: Path | None,
    ranks: "Ranks | None",
) -> None:
    """Trains, as one of several ranks where there are."""
    from lfl.api.training import prepare as prepare_run
    from lfl.api.training import train_prepared
    from lfl.device import keep_freed_memory
    from lfl.run.config import read_allowed
    from lfl.training import is_corrupted, trains_together

    from .progress import watching

    machine = {"device": device, "threads": threads, "data_dir": data_dir, "seeds": seeds}
    flags = asked | {name: value for name, value in machine.items() if value is not None}
    found = {} if config is None else read_allowed(config, flags, trust=trust)
    if "loss" in flags:
        found.pop("base", None)  # it is of the file's loss
    asked = found | flags
    if asks_for_episodes(asked):
        if ranks is not None:
            raise UserError("a few-shot run takes one process; start lfl train without torchrun.")
        from .episodes import train_episodes

        train_episodes(asked, out)
        return
    where = own_device(prepare(asked.pop("device", "auto"), asked.pop("threads", None)), ranks)
    seeds = asked.pop("seeds", None)
    ready = prepare_run(**asked, device=where, trust=trust)
    data, settings = ready.task, ready.settings
    if settings.task not in TASKS:
        say(_shown(data))
    say(_clean(data))
    if is_corrupted(settings):
        say(_corrupted(data, settings, seeds))
    keep_freed_memory()
    if seeds is None:
        chosen, which = None, f"seed {settings.seed}"
    else:
        chosen = range(settings.seed, settings.seed + seeds)
        how = "as one program" if trains_together(data, settings) else "one after the other, which is faster here"
        which = f"{seeds} seeds from {settings.seed} {how}"
    shared = "" if ranks is None else f", {ranks.size} ranks"
    with watching(f"{settings.task}, {settings.model}, {settings.method}, {which}, on {where}{shared}") as watch:
        results = train_prepared(ready, out, watch, chosen, group=ranks)
    if ranks is None or ranks.rank == 0:
        print_results(results)
    exit_as_interrupted(results)


def _corrupted(task: "Task", settings: "Settings", seeds: int | None) -> str:
    """Says how the train split was corrupted."""
    from lfl.training import corrupted_train

    rows, _, wrong = corrupted_train(task, settings, settings.seed)
    what = "labels" if task.kind == "classification" else "targets"
    draws = f"drawn by seed {settings.seed}" if seeds is None else "drawn anew by each seed"
    left = "" if settings.imbalance is None else f"{len(rows)} of {len(task.train.y)} examples kept, "
    return f"train is corrupted on purpose: {left}{int(wrong.sum())} {what} of {len(rows)} wrong, {draws}"


def _shown(task: "Task") -> str:
    """Describes the data that were read from the user's own files."""
    sizes = ", ".join(f"{len(split.y)} {name}" for name, split in task.splits.items())
    of = {"classification": "classes", "regression": "target columns", "multilabel": "labels"}
    outputs = f"{task.num_outputs} {of[task.kind]}"
    return f"{task.name}: {task.kind}, {outputs}, inputs {_inputs(task.input_shape)}, rows {sizes}"


def _inputs(shape: Any) -> str:
    """Shows the shape of one input, or of each of several."""
    from lfl.trees import is_shape

    return str(list(shape) if is_shape(shape) else shape)


def _clean(task: "Task") -> str:
    """Says how much clean data there is, and where it is from."""
    origin = "split off train" if task.valid_from is None else f"from {task.valid_from}"
    return f"clean data: {len(task.valid.y)} examples {origin}, kept out of training"
