"""Train, and leave run folders behind: the whole of `lfl train` but its face."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Failure
from ..method import Plan, Programs, plan
from ..task import Task
from ..training import (
    Progress,
    Settings,
    build_functional,
    build_problem,
    build_programs,
    compiles,
    learned,
    train,
    trains_together,
)
from ..types import Tensors
from .environment import environment
from .folder import create_folder
from .history import History
from .load import load_phi
from .looks import Looks
from .record import Record, Result

Watch = Callable[[Progress], None]


def execute(task: Task, settings: Settings, out: Path | None = None, watch: Watch | None = None) -> Result:
    """Train by `settings` on `task` and write the run folder.

    An interrupt (Ctrl-C) ends training early: what was learned so far is evaluated and saved.

    Args:
        task: data, on the device to train on.
        settings: resolved settings.
        out: the run folder; `runs/TASK-MODEL-METHOD-N` when omitted.
        watch: called with each `Progress`.

    Returns:
        The `Result`. The folder holds `config.json`, `metrics.jsonl`, `timing.jsonl`, `theta.safetensors`,
        `buffers.safetensors`, `result.json` and, where a loss was learned, `phi.safetensors` and
        `loss_curves.npz`.

    Raises:
        UserError: a name or setting that does not fit the task; the folder exists.
        Failure: the run diverged, or the disk failed; the folder is removed.
    """
    compiled = compiles(task, settings)
    steps = build_programs(task, settings, many_seeds=False, compiled=compiled)
    return _one(task, settings, steps, {"compiled": compiled}, out, watch)


def execute_seeds(
    task: Task, settings: Settings, seeds: Sequence[int], out: Path | None = None, watch: Watch | None = None
) -> list[Result]:
    """The same for several seeds: as one vmapped program where that is faster, else one after the other.

    Args:
        task, settings, watch: as in `execute`; the settings' own seed is not used.
        seeds: at least one.
        out: holds a run folder `seed-S` for each.

    Returns:
        A `Result` a seed; fewer where an interrupt came while seeds ran one after the other.

    Raises:
        UserError, Failure: as `execute`; `out` is removed.
    """
    together, compiled = trains_together(task, settings), compiles(task, settings)
    steps = build_programs(task, settings, many_seeds=together, compiled=compiled)
    whole: Plan | None = None
    if together:
        problem = build_problem(task, settings, seeds=seeds, steps=steps, phi=_given_phi(task, settings))
        whole = plan(settings.method, problem)
    facts = {"compiled": compiled, "seeds": list(seeds), "together": together}
    with _folder(out, settings) as folder:
        if whole is not None:
            return _train(task, settings, whole, seeds, [folder / f"seed-{seed}" for seed in seeds], facts, watch)
        results: list[Result] = []
        for seed in seeds:
            result = _one(task, replace(settings, seed=seed), steps, facts, folder / f"seed-{seed}", watch)
            results.append(result)
            if not result.completed:
                break
        return results


def _one(
    task: Task, settings: Settings, steps: Programs, facts: dict[str, Any], out: Path | None, watch: Watch | None
) -> Result:
    whole = plan(settings.method, build_problem(task, settings, steps=steps, phi=_given_phi(task, settings)))
    with _folder(out, settings) as folder:
        return _train(task, settings, whole, None, [folder], facts, watch)[0]


def _given_phi(task: Task, settings: Settings) -> Tensors | None:
    """The phi of `--loss-from`, if there is one."""
    return None if settings.loss_from is None else load_phi(Path(settings.loss_from), settings.loss, task.kind)


@contextmanager
def _folder(out: Path | None, settings: Settings) -> Iterator[Path]:
    """A new folder, removed again where what is done in it fails."""
    task, model = Path(settings.task).stem, settings.model.replace(":", ".")  # of a user's own: a path, module:function
    folder = create_folder(out, f"{task}-{model}-{settings.method}")
    try:
        yield folder
    except BrokenPipeError:  # nobody reads what is printed any more: not the disk's fault
        _remove(folder)
        raise
    except OSError as error:
        _remove(folder)
        raise Failure(
            f"cannot write the run into {folder} ({error.strerror or error}); make room, or choose another --out."
        ) from error
    except BaseException:
        _remove(folder)
        raise


def _train(
    task: Task,
    settings: Settings,
    steps: Plan,
    seeds: Sequence[int] | None,
    folders: list[Path],
    facts: dict[str, Any],
    watch: Watch | None,
) -> list[Result]:
    """Run a plan for one seed (None) or for many together, a folder each."""
    _, apply_fn = build_functional(task, settings)
    what = learned(task, settings, settings.seed)
    facts = environment(task.device) | facts
    looks = Looks(task, settings, apply_fn, what, None if seeds is None else len(seeds))
    records = []
    for folder, seed in zip(folders, seeds or [settings.seed], strict=True):
        folder.mkdir(exist_ok=True)
        records.append(Record(folder, replace(settings, seed=seed), facts, what))
    progress: Progress | None = None
    completed = True
    try:
        for progress in train(
            steps,
            look=looks,
            log_every=settings.log_every,
            eval_every=settings.eval_every,
        ):
            if progress.metrics is not None or History.due(progress):
                metrics: Sequence[Any] = progress.metrics or [None] * len(records)
                for record, phi, numbers in zip(records, looks.of_each(progress.state.phi), metrics, strict=True):
                    record.look(progress, phi, numbers)
            if watch is not None:
                watch(progress)
    except KeyboardInterrupt:
        completed = False
    finally:
        for record in records:
            record.close()
    if progress is None:
        raise KeyboardInterrupt
    state = progress.state
    where = {"phase": progress.phase.name, "step": progress.step, "completed": completed}
    return [
        record.finish(
            alone, where | {"valid_error": looks.error(alone, task.valid), "test_error": looks.error(alone, task.test)}
        )
        for record, alone in zip(records, looks.states(state), strict=True)
    ]


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
