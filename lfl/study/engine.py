"""Where the runs of a study are computed: processes of this machine (loky), or a cluster (dask, ray), all by joblib."""

import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ..choices import ENGINES
from ..errors import UserError, one_of, reason
from ..version import VERSION
from .control import sees

SECONDS_TO_CONNECT = 30
"""Seconds that a cluster is given to answer, and to have a worker."""

IDLE = 60
"""Seconds without work after which a process of loky's ends."""

Calls = Sequence[tuple[Any, ...]]
Submit = Callable[[Callable[..., Any], Calls], Iterator[Any]]
"""Calls a function with each tuple of arguments on the engine's workers; the results come as they are ready."""


class Engine(NamedTuple):
    """An engine and its size.

    Args:
        kind: a name in `ENGINES`.
        address: of a dask scheduler.
        jobs: how many runs are computed at once; on a cluster its workers count.
    """

    kind: str
    address: str | None
    jobs: int

    @property
    def in_process(self) -> bool:
        """Whether the runs are computed in this very process."""
        return self.kind == "loky" and self.jobs == 1


class Open(NamedTuple):
    """An engine that is ready.

    Args:
        submit: calls a function on the workers.
        lost: what is raised where a worker process was killed.
    """

    submit: Submit
    lost: tuple[type[Exception], ...]


def parse_engine(text: str, jobs: int = 1) -> Engine:
    """Reads `loky`, `dask=ADDRESS` or `ray`.

    Raises:
        UserError: an unknown engine, one whose package is not installed, or a number of jobs below 1.

    Example:
        >>> parse_engine("loky", 2)
        Engine(kind='loky', address=None, jobs=2)
    """
    kind, _, address = text.partition("=")
    one_of("engine", kind, list(ENGINES))
    if jobs < 1:
        raise UserError(f"--jobs must be at least 1, got {jobs}.")
    if (kind == "dask") != bool(address):
        example = "dask=tcp://127.0.0.1:8786" if kind == "dask" else kind
        raise UserError(f"--engine {text} is not complete or says too much: write --engine {example}.")
    package = {"dask": "distributed", "ray": "ray"}.get(kind)
    if package is not None and find_spec(package) is None:
        raise UserError(f"--engine {kind} needs the package {package}: pip install 'lfl[{kind}]'.")
    return Engine(kind, address or None, jobs)


def share_of_threads(threads: int | None, engine: Engine) -> int | None:
    """Returns the CPU threads of each process: as asked for, or its share of this machine's cores."""
    if threads is not None or engine.kind != "loky" or engine.jobs == 1:
        return threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // engine.jobs)


def assign_device(device: str, worker: int, num_gpus: int) -> str:
    """Spreads workers over the GPUs of a machine, where no certain one is asked for.

    Args:
        device: as asked for: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`.
        worker: the worker's number, from 0 on.
        num_gpus: GPUs of the machine.

    Returns:
        `"cuda:(worker mod num_gpus)"` for `"auto"` and `"cuda"` where there are several; else `device`.

    Example:
        >>> [assign_device("auto", worker, 2) for worker in range(3)], assign_device("cpu", 1, 2)
        (['cuda:0', 'cuda:1', 'cuda:0'], 'cpu')
    """
    return f"cuda:{worker % num_gpus}" if device in ("auto", "cuda") and num_gpus > 1 else device


def worker_number(process_name: str) -> int:
    """Returns the number, from 0 on, of a process of loky's by its name; 0 for any other.

    Example:
        >>> worker_number("LokyProcess-3"), worker_number("MainProcess")
        (2, 0)
    """
    kind, _, number = process_name.replace(":", "-").rpartition("-")
    return int(number) - 1 if kind.startswith("Loky") and number.isdecimal() else 0


@contextmanager
def open_engine(engine: Engine, out: Path, study: str) -> Iterator[Open]:
    """Starts processes or connects to a cluster.

    Args:
        engine: which.
        out: folder of the study, which the workers must see.
        study: which start of the study, as its orders say.

    Raises:
        UserError: no cluster answers, it has no workers, or they lack lfl or do not see the folder.
    """
    if engine.kind == "dask":
        with _dask_client(str(engine.address)) as client:
            _check_workers(client, out, study)
            yield Open(_submitter("generator_unordered", backend="dask", client=client), ())
    elif engine.kind == "ray":
        from ray.exceptions import RayError
        from ray.util.joblib import register_ray

        register_ray()
        jobs = engine.jobs if engine.jobs > 1 else -1
        yield Open(_submitter("list", backend="ray", n_jobs=jobs), (RayError,))  # its pool returns all at once
    else:
        # Ctrl-C on a terminal reaches the workers too: only a run that trains notes it, and saves a checkpoint
        quiet = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
        config = {"n_jobs": engine.jobs, "idle_worker_timeout": IDLE, **quiet}
        try:
            yield Open(_submitter("generator_unordered", backend="loky", **config), (BrokenProcessPool,))
        finally:
            if not engine.in_process:
                _end_processes()


def _submitter(return_as: str, **config: Any) -> Submit:
    """Each call is a task of its own, and a worker has no second one waiting: a lost worker then loses one run."""

    def submit(function: Callable[..., Any], calls: Calls) -> Iterator[Any]:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(**config), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A worker stopped while some jobs")  # it is replaced
            parallel = Parallel(batch_size=1, pre_dispatch="n_jobs", return_as=return_as)
            yield from parallel(delayed(function)(*arguments) for arguments in calls)

    return submit


def _end_processes() -> None:
    """Ends loky's processes, which would hold the task's data for minutes, and keep this working directory."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(reuse=True).shutdown(wait=True)


@contextmanager
def _dask_client(address: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UserError(
            f"no dask scheduler answers at {address} ({reason(error)}); start one with dask scheduler, or give the "
            "address of another."
        ) from error
    with client:
        yield client


def _check_workers(client: Any, out: Path, study: str) -> None:
    """Makes sure of what joblib would wait for without end: workers that have lfl and see the study's folder."""
    deadline = time.monotonic() + SECONDS_TO_CONNECT
    while (room := sum(client.ncores().values())) < 2:  # with one, joblib would compute in this process
        if time.monotonic() > deadline:
            raise UserError(
                f"the dask cluster has room for {room} runs at a time, and needs room for 2; start workers with dask "
                "worker ADDRESS, or leave out --engine."
            )
        time.sleep(0.2)
    try:
        found = client.run(sees, str(out), study)
    except Exception as error:  # whatever a worker without lfl raises
        raise UserError(
            f"a dask worker cannot run lfl ({type(error).__name__}: {reason(error)}); install lfl {VERSION} where "
            "the workers run."
        ) from error
    for worker, (version, seen) in found.items():
        if version != VERSION:
            raise UserError(f"the dask worker {worker} has lfl {version}, but this is {VERSION}; install the same.")
        if not seen:
            raise UserError(
                f"the dask worker {worker} does not see {out}; choose an --out on a disk that all workers share."
            )
