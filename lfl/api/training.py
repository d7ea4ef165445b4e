"""Training from Python: everything that `lfl train` does except terminal output."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import torch

from ..device import resolve_device, set_precision
from ..errors import UserError
from ..fewshot_settings import asks_for_episodes
from ..old_names import with_new_names
from ..run import Logger, Named, Result, allowed_loss_of, data_folder, execute, execute_seeds
from ..run.config import check_names
from ..run.shared import locate
from ..settings import DEFAULT_METHOD, DEFAULT_MODEL, DEFAULT_TASK, TYPES
from ..step.ranks import ranks_of
from ..task import Loaders, Task, load_task, task_from_loaders
from ..training import Progress, Settings, resolve
from ..types import Group
from .fewshot import FewShotRun, prepare_few_shot, run_of, train_few_shot
from .run import Run

OF_DATA = ("target", "kind", "valid", "valid_size", "eval_split", "context")
"""Settings that say how the data of a task are loaded."""


@overload
def train(
    task: Literal["omniglot", "cifar-fs", "fc100", "sinusoid"],
    model: str | None = ...,
    method: str | None = ...,
    *,
    out: str | Path | None = ...,
    data_dir: str | Path | None = ...,
    device: str | None = ...,
    progress: Callable[[Any], None] | None = ...,
    loggers: Sequence[Logger] = ...,
    trust: bool = ...,
    **settings: Any,
) -> FewShotRun: ...
@overload
def train(
    task: str | Path | Task | Loaders = ...,
    model: str | None = ...,
    method: str | None = ...,
    *,
    out: str | Path | None = ...,
    data_dir: str | Path | None = ...,
    device: str | None = ...,
    progress: Callable[[Any], None] | None = ...,
    loggers: Sequence[Logger] = ...,
    trust: bool = ...,
    group: Group | None = ...,
    **settings: Any,
) -> Run: ...
def train(
    task: str | Path | Task | Loaders = DEFAULT_TASK,
    model: str | None = None,
    method: str | None = None,
    *,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    device: str | None = None,
    progress: Callable[[Any], None] | None = None,
    loggers: Sequence[Logger] = (),
    trust: bool = False,
    group: Group | None = None,
    **settings: Any,
) -> Run | FewShotRun:
    """Trains a model while its loss is learned, and writes a run folder: `lfl train` without terminal output.

    A task of episodes, such as `"omniglot"` or a folder of pictures with `ways=5`, is a few-shot run (docs/fewshot.md).

    The same settings give the same files as `lfl train`. A signal (Ctrl-C or SIGTERM) stops training between two steps;
    a checkpoint is written, and `lfl.run.resume(folder)` or `lfl resume` continues.

    Args:
        task: a name, the path of your own data, a `Task`, for instance of `lfl.task_from_arrays`, or `lfl.Loaders` of
            data sets, which are read while the model trains.
        model: a name, or your own `"module:function"`; `"mlp"` when omitted, of episodes `"conv4"`.
        method: how the loss is learned; `"adalfl"` when omitted, of episodes `"maml"`.
        out: the run folder; `runs/TASK-MODEL-METHOD-N` when omitted.
        data_dir: folder of downloaded data; `LFL_DATA` or lfl's own cache when omitted.
        device: `"cpu"`, `"cuda"` or `"mps"`; the first that is there of cuda, mps, cpu when omitted.
        progress: called with the `Progress` at the start of each phase and after each step; of a few-shot run with
            an object of the same attributes.
        loggers: take the metrics too, such as `lfl.WandbLogger(project="mine")`, or your own (docs/logs.md); one that
            fails is left out with a warning.
        trust: whether the run that `loss_from` names may use its own code.
        group: the processes that train together, a `torch.distributed.ProcessGroup` or an `lfl.Ranks`. Each calls this
            with the same arguments; the first one writes the folder, on a disk that all see, and calls `progress` and
            the loggers (docs/distributed.md).
        settings: any other setting of `lfl train`, by the name of its flag: `steps=1000`, `inner_lr=0.1`, `seed=1`.

    Returns:
        The `Run`; of a few-shot run a `FewShotRun`.

    Raises:
        UserError: a name or setting that does not fit the task; the folder exists.
        Failure: the run diverged, a file cannot be written, or a download failed.
        KeyboardInterrupt: a signal stopped training, or `progress` raised it. The checkpoint is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = train("digits", "logistic", out=f"{folder}/run", steps=4, offline_steps=2, device="cpu")
        ...     run.result.completed, [row["step"] for row in run.metrics() if row["phase"] == "train"]
        (True, [1, 2, 3, 4])
    """
    folder = None if out is None else Path(out)
    named = {"task": str(task)} if isinstance(task, (str, Path)) else {}
    asked = {**settings, **named, "model": model, "method": method}
    if named and asks_for_episodes(asked):
        if group is not None:
            raise UserError("a few-shot run takes one process, got a group; leave group= out.")
        episodes = prepare_few_shot(asked, data_dir or os.environ.get("LFL_DATA"), device)
        return run_of(train_few_shot(episodes, folder, progress, loggers=loggers), episodes, trust)
    ready = prepare(
        task,
        model or DEFAULT_MODEL,
        method or DEFAULT_METHOD,
        data_dir=data_dir,
        device=device,
        trust=trust,
        **settings,
    )
    results = train_prepared(ready, folder, progress, loggers=loggers, group=group)
    if (ranks := ranks_of(group)) is not None:
        ranks.from_first(None)  # the folder is written
    return _runs(ready, results, trust)[0]


def train_seeds(
    seeds: Sequence[int],
    task: str | Path | Task | Loaders = DEFAULT_TASK,
    model: str = DEFAULT_MODEL,
    method: str = DEFAULT_METHOD,
    *,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    device: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    trust: bool = False,
    **settings: Any,
) -> list[Run]:
    """Trains several seeds, together as one program where that is faster: `lfl train --seeds`.

    Args:
        seeds: at least one.
        out: a folder that will hold a run folder `seed-S` for each.
        task, model, method, data_dir, device, progress, trust, settings: as in `lfl.train`.

    Returns:
        A `Run` for each seed.

    Raises:
        UserError, Failure, KeyboardInterrupt: as `lfl.train`.
    """
    ready = prepare(task, model, method, data_dir=data_dir, device=device, trust=trust, **settings)
    results = train_prepared(ready, None if out is None else Path(out), progress, seeds)
    return _runs(ready, results, trust)


class Prepared(NamedTuple):
    """Data and settings, ready to train.

    Args:
        task: the data, on the device where they are trained on.
        settings: all settings of the run.
        data_dir: folder of the data; None where a `Task` was given.
    """

    task: Task
    settings: Settings
    data_dir: Path | None


def prepare(
    task: str | Path | Task | Loaders = DEFAULT_TASK,
    model: str = DEFAULT_MODEL,
    method: str = DEFAULT_METHOD,
    *,
    data_dir: str | Path | None = None,
    device: torch.device | str | None = None,
    trust: bool = False,
    **settings: Any,
) -> Prepared:
    """Loads the data of a run, and resolves its settings.

    Args:
        task, model, method, data_dir, device, trust, settings: as in `lfl.train`.
    """
    settings = with_new_names(settings)
    check_names(settings, TYPES)
    settings = {name: value for name, value in settings.items() if value is not None}
    where = device if isinstance(device, torch.device) else resolve_device(device or "auto")
    if isinstance(task, Loaders):
        for name in ("target", "valid", "context"):
            if name in settings:
                raise UserError(f"{name} is for files of your own, got it beside loaders; leave it out.")
        held = {name: settings[name] for name in ("kind", "valid_size", "eval_split") if name in settings}
        data = task_from_loaders(**task._asdict() | held).to(where)
        name, folder = data.name, None
    elif isinstance(task, Task):
        for name in OF_DATA:
            if name in settings:
                raise UserError(f"{name} is set where a Task is made, got {settings[name]!r} beside one; leave it out.")
        data, name, folder = task.to(where), task.name, None
    else:
        name = str(task)
        given = data_dir or os.environ.get("LFL_DATA")
        folder = data_folder(name, Path(given) if given else None)
        data = load_task(name, folder, **{key: settings[key] for key in OF_DATA if key in settings}).to(where)
    if "loss_from" in settings:
        settings["loss_from"] = str(settings["loss_from"])
        own = {key: settings.get(key) for key in ("loss", "base")}
        settings = allowed_loss_of(locate(settings["loss_from"]), **own, trust=trust)._asdict() | settings
    return Prepared(data, resolve(data.defaults, task=name, model=model, method=method, **settings), folder)


def train_prepared(
    ready: Prepared,
    out: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    seeds: Sequence[int] | None = None,
    *,
    loggers: Sequence[Logger] = (),
    group: Group | None = None,
) -> list[Result]:
    """Trains one run, or one for each of `seeds`; an interrupted one returns its `Result` with its `signal`.

    Args:
        ready: of `prepare`.
        out, progress, seeds, loggers: as in `lfl.train` and `train_seeds`; loggers are for one run alone.
        group: the processes that train together, as in `lfl.run.execute`; of one run alone.
    """
    task, settings, where = ready.task, ready.settings, ready.data_dir
    with _arithmetic(settings.precision, task.device):
        if seeds is None:
            return [
                execute(task, settings, out, progress, data_dir=where, loggers=loggers, draw=draw_learned, group=group)
            ]
        if group is not None:
            raise UserError("torchrun trains one seed, got several; leave --seeds out, or start it without torchrun.")
        return execute_seeds(task, settings, seeds, out, progress, data_dir=where, draw=draw_learned)


def draw_learned(folder: Path) -> Path | None:
    """Draws the learned loss of a run for its loggers, as `lfl.report.draw_losses`; None where none was learned."""
    from ..report import draw_losses  # slow to import, and only where there are loggers

    return draw_losses(folder)


def _runs(ready: Prepared, results: list[Result], trust: bool) -> list[Run]:
    """Opens the runs that were just made; whoever made them has named their code."""
    stopped = [result for result in results if result.signal is not None]
    if stopped:
        last = stopped[-1]
        state = "complete" if last.completed else f"stopped at step {last.step} of phase {last.phase}"
        raise KeyboardInterrupt(f"the run in {last.folder} is {state}; lfl resume continues what is not complete")
    chosen = asdict(ready.settings)
    named = Named(**{name: chosen[name] for name in ("model", "loss", "base")}, trust=trust)
    return [Run(result.folder, named, ready.task.device, ready.task) for result in results]


@contextmanager
def _arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Sets torch's precision of matrix products, and restores what it was."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        set_precision(precision, device)
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
