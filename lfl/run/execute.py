"""Train, and leave a run folder behind: the whole of `lfl train` but its face."""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Failure
from ..method import Problem, State, plan
from ..task import Task
from ..training import ERRORS, Progress, Settings, build_problem, evaluate, train
from .curves import Curves
from .environment import environment
from .folder import create_folder, write_bytes, write_json, write_tensors


class Result(NamedTuple):
    """How a run ended.

    Args:
        folder: the run folder.
        phase, step: where it stopped.
        completed: False where it was interrupted.
        valid_error, test_error: error rates from 0 to 1, or mean squared errors.
        seconds: of training and evaluation.
    """

    folder: Path
    phase: str
    step: int
    completed: bool
    valid_error: float
    test_error: float
    seconds: float


def execute(
    task: Task, settings: Settings, out: Path | None = None, watch: Callable[[Progress], None] | None = None
) -> Result:
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
    problem = build_problem(task, settings)
    steps = plan(settings.method, problem)
    folder = create_folder(out, f"{settings.task}-{settings.model}-{settings.method}")
    try:
        write_json(folder / "config.json", asdict(settings) | environment(task.train.x.device))
        return _train(task, settings, problem, steps, folder, watch)
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
    problem: Problem,
    steps: Any,
    folder: Path,
    watch: Callable[[Progress], None] | None,
) -> Result:
    def error_on(split: Any) -> Callable[[State], float]:
        return lambda state: evaluate(problem.apply_fn, state.theta, state.carry.buffers, split, ERRORS[task.kind])

    curves = Curves(problem.loss_fn)
    start = time.perf_counter()
    progress: Progress | None = None
    completed = True
    with ExitStack() as files:
        metrics, timing = (files.enter_context((folder / name).open("w")) for name in ("metrics.jsonl", "timing.jsonl"))
        try:
            for progress in train(
                steps,
                validate=error_on(task.valid),
                log_every=settings.log_every,
                eval_every=settings.eval_every,
            ):
                curves.look(progress)
                if progress.metrics is not None:
                    where = {"phase": progress.phase.name, "step": progress.step}
                    print(json.dumps(where | progress.metrics), file=metrics, flush=True)
                    clock = {"seconds": round(time.perf_counter() - start, 3)}
                    print(json.dumps(where | clock), file=timing, flush=True)
                if watch is not None:
                    watch(progress)
        except KeyboardInterrupt:
            completed = False
    if progress is None:
        raise KeyboardInterrupt
    state = progress.state
    result = Result(
        folder,
        progress.phase.name,
        progress.step,
        completed,
        error_on(task.valid)(state),
        error_on(task.test)(state),
        time.perf_counter() - start,
    )
    write_tensors(folder / "theta.safetensors", state.theta)
    write_tensors(folder / "buffers.safetensors", state.carry.buffers)
    if state.phi is not None:
        write_tensors(folder / "phi.safetensors", state.phi)
        write_bytes(folder / "loss_curves.npz", curves.content())
    facts = result._asdict()
    del facts["folder"], facts["seconds"]
    write_json(folder / "result.json", facts)
    return result


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
