"""What a worker process of a study does: it plans tasks and does pieces of work, whatever engine calls it."""

import logging
import multiprocessing
import shutil
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from msgspec import Struct, to_builtins

from ..boundary import read_json
from ..device import keep_freed_memory, resolve_device
from ..errors import Failure, LflError, UserError, reason
from ..run import data_folder
from ..run.folder import explained, locked, write_json
from ..run.schema import MOST_THREADS
from ..task import Task, load_task
from ..training import trains_together
from .control import PATIENCE, Stopped, Watch
from .engine import assign_device, worker_number
from .experiment import Experiment
from .runs import Job, train_seeds

MOST_STARTS = 3
"""How often a piece of work is started in one study: a worker process that it brings down takes others along."""

_STARTS = "starts.json"
_PAUSE = 0.2


@dataclass(frozen=True)
class Machine:
    """What a worker needs to know beside the experiment.

    Args:
        out: folder of the study.
        study: which start of it, as its orders say.
        data_dir: folder of the data sets; None for lfl's own cache.
        own: target, kind, valid, valid_size and context of a user's own data, as `load_task` takes them.
        device: as asked for.
        threads: CPU threads; None for torch's choice.
        in_process: whether the work is done in the process that started the study.
        spread: whether workers choose among the GPUs of this machine.
    """

    out: Path
    study: str
    data_dir: Path | None
    own: tuple[tuple[str, Any], ...] = ()
    device: str = "auto"
    threads: int | None = None
    in_process: bool = True
    spread: bool = False

    def load(self, task: str) -> Task:
        """Loads a task's data onto the device; the last task's are kept for the length of a study."""
        return _load(self, task)


class Piece(NamedTuple):
    """A piece of work: seeds of an experiment that one worker trains.

    Args:
        experiment: which.
        seeds: the seeds to train.
        together: whether they train as one program; else there is one.
    """

    experiment: Experiment
    seeds: tuple[int, ...]
    together: bool

    @property
    def seed(self) -> int | None:
        """The seed; None where several train together."""
        return None if self.together else self.seeds[0]

    @property
    def scratch(self) -> Path:
        """The folder in which it trains."""
        return self.experiment.scratch(self.seed)


class Done(NamedTuple):
    """How a piece of work ended.

    Args:
        piece: which.
        error: why it cannot be done; None otherwise.
        stopped: how it was stopped; None where it was not.
    """

    piece: Piece
    error: LflError | None = None
    stopped: Stopped | None = None


class UnexpectedFailure(Failure):
    """An exception that is none of lfl's, in a user's own code or in lfl's; its cause is kept within a process."""


class Starts(Struct, frozen=True):
    """A note in a scratch folder: how often a study has started the work there."""

    study: str
    count: int


def plan_task(experiments: Sequence[Experiment], machine: Machine) -> list[tuple[Experiment, bool | LflError]]:
    """Says of experiments on one task whether their seeds train as one program, or why they cannot be run."""
    found: list[tuple[Experiment, bool | LflError]] = []
    for experiment in experiments:
        try:
            Watch(machine.out, machine.study).check()
            with _prepared(machine):
                task = machine.load(experiment.settings.task)
                found.append((experiment, trains_together(task, experiment.settings)))
        except Stopped:
            break
        except Exception as error:
            found.append((experiment, _in_words(error)))
    return found


def run_piece(piece: Piece, machine: Machine) -> Done:
    """Does a piece of work: continues an interrupted run, else trains from the start.

    Never raises what a run may raise: the other runs of the study continue.
    """
    watch = Watch(machine.out, machine.study)
    try:
        watch.check()
        with _prepared(machine), _disk_explained(piece.experiment), _held(piece.scratch, watch):
            if _count_start(piece.scratch, machine.study) > MOST_STARTS:
                raise Failure(
                    f"its process was killed {MOST_STARTS} times, perhaps for want of memory; what was saved is in "
                    f"{piece.scratch}, and the same command continues from there."
                )
            train_seeds(piece.experiment, piece.seed, piece.seeds, Job(machine.load, machine.data_dir, watch))
            shutil.rmtree(piece.scratch, ignore_errors=True)
    except Stopped as stopped:
        (piece.scratch / _STARTS).unlink(missing_ok=True)  # it was not lost
        return Done(piece, stopped=stopped)
    except Exception as error:
        return Done(piece, error=_in_words(error))
    return Done(piece)


def starts_of(piece: Piece, study: str) -> int:
    """Returns how often a study has started a piece of work."""
    try:
        note = read_json(piece.scratch / _STARTS, Starts)
    except LflError:
        return 0
    return note.count if note.study == study else 0


def forget_data() -> None:
    """Frees the data that this process holds."""
    _load.cache_clear()


@lru_cache(maxsize=1)
def _load(machine: Machine, task: str) -> Task:
    data = load_task(task, data_folder(task, machine.data_dir), **dict(machine.own))
    gpus = torch.cuda.device_count() if machine.spread else 1
    worker = worker_number(multiprocessing.current_process().name)
    return data.to(resolve_device(assign_device(machine.device, worker, gpus)))


@contextmanager
def _prepared(machine: Machine) -> Iterator[None]:
    """Sets threads, and keeps what torch says about itself off the terminal, where this is a worker's own process."""
    if machine.threads is not None:
        torch.set_num_threads(min(machine.threads, MOST_THREADS))
    with warnings.catch_warnings():
        if not machine.in_process:
            warnings.simplefilter("ignore")
            logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
            keep_freed_memory()
        yield


def _in_words(error: Exception) -> LflError:
    """Makes an error one of lfl's, which every process can unpickle, with the innermost place of any other."""
    if isinstance(error, LflError):
        return error.__cause__ if isinstance(error.__cause__, LflError) else error  # without advice on the folder
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    found = UnexpectedFailure(f"{type(error).__name__}: {reason(error)} ({where})")
    found.__cause__ = error
    return found


@contextmanager
def _held(scratch: Path, watch: Watch) -> Iterator[None]:
    """Holds a scratch folder for this worker; waits for one that was taken for lost and still trains there."""
    with ExitStack() as stack:
        deadline = time.monotonic() + 2 * PATIENCE
        while True:
            scratch.mkdir(parents=True, exist_ok=True)
            before = scratch.stat().st_ino
            try:
                stack.enter_context(locked(scratch))
            except (UserError, FileNotFoundError):
                if time.monotonic() > deadline:
                    raise
                watch.check()
                time.sleep(_PAUSE)
                continue
            if scratch.exists() and scratch.stat().st_ino == before:
                break
            stack.close()  # whoever held it has removed it
        yield


def _count_start(scratch: Path, study: str) -> int:
    """Notes one more start, and returns how many there were in this study."""
    count = 1
    if (scratch / _STARTS).is_file():
        note = read_json(scratch / _STARTS, Starts)
        count = note.count + 1 if note.study == study else 1
    write_json(scratch / _STARTS, to_builtins(Starts(study, count)))
    return count


def _disk_explained(experiment: Experiment) -> AbstractContextManager[None]:
    return explained(f"write into {experiment.folder}", "make room, or choose another --out")
