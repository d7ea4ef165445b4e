"""Writes the files of a run folder while the run trains: metrics, times, and the result at the end."""

import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import structs, to_builtins

from ..errors import UserError
from ..loss import AnyLearnedLoss
from ..training import Progress
from ..types import Kind
from .evaluation import Best, Snapshot
from .folder import clear_partial, write_bytes, write_json, write_tensors
from .history import History
from .logger import Guarded
from .schema import Ended, Place, StepErrors


class Result(NamedTuple):
    """How a run ended.

    Args:
        folder: the run folder.
        kind: of the targets: the errors are error rates from 0 to 1, or mean squared errors.
        phase, step: where training stopped.
        completed: False where it was interrupted.
        valid_error, test_error: errors of the model that was kept.
        seconds: of training and evaluation; of all seeds together where they trained as one program.
        signal: the signal that interrupted it, if any.
        valid, test: metrics of the model that was kept, as in `lfl.training.metrics_of`; empty in older runs.
        last, best: step and errors of the model after the last step, and at the best step; None where not known.
    """

    folder: Path
    kind: Kind
    phase: str
    step: int
    completed: bool
    valid_error: float
    test_error: float
    seconds: float
    signal: int | None = None
    valid: Mapping[str, float] = MappingProxyType({})
    test: Mapping[str, float] = MappingProxyType({})
    last: StepErrors | None = None
    best: StepErrors | None = None


class Record:
    """The files of one seed's run folder, open for writing while it trains.

    Args:
        folder: the run folder.
        learned_loss: the loss whose curves are saved at the end; None where none is learned.
        history, best, left_at: phi by step, the best step and the length of the files so far, where a run is resumed.
        loggers: take the metrics too; they are started, and closed with the record, also where this fails.

    Raises:
        UserError: a file is not a plain file, or is shorter than `left_at` says.
        OSError: a file cannot be opened or cut.
    """

    def __init__(
        self,
        folder: Path,
        learned_loss: AnyLearnedLoss | None,
        *,
        history: History | None = None,
        best: Best | None = None,
        left_at: Place | None = None,
        loggers: Sequence[Guarded] = (),
    ) -> None:
        self.folder = folder
        self.learned_loss = learned_loss
        self.history = history or History()
        self.best = best
        left_at = left_at or Place(0, 0, 0.0)
        self.start = time.perf_counter() - left_at.seconds
        self.loggers = loggers
        with ExitStack() as opened:
            for logger in loggers:
                opened.callback(logger.close)
            self.metrics, self.timing = (
                opened.enter_context(_open_at(folder / f"{name}.jsonl", length))
                for name, length in (("metrics", left_at.metrics), ("timing", left_at.timing))
            )
            self.files = opened.pop_all()

    def place(self) -> Place:
        """Flushes the files to the disk, and returns how far they are written: what `left_at` takes."""
        for file in (self.metrics, self.timing):
            file.flush()
            os.fsync(file.fileno())
        return Place(self.metrics.tell(), self.timing.tell(), time.perf_counter() - self.start)

    def write_step(self, progress: Progress, done: int, phi: Any, metrics: dict[str, float] | None) -> None:
        """Records a step, the `done`-th of all phases: the seed's phi, and its metrics where there are any."""
        if phi is not None:
            self.history.record(progress, phi)
        if metrics is not None:
            where = {"phase": progress.phase.name, "step": progress.step}
            print(json.dumps(where | metrics), file=self.metrics, flush=True)
            for logger in self.loggers:
                logger.log(done, {f"{progress.phase.name}/{name}": value for name, value in metrics.items()})
            clock = {"seconds": round(time.perf_counter() - self.start, 3)}
            print(json.dumps(where | clock), file=self.timing, flush=True)

    def close(self) -> None:
        """Closes the files."""
        self.files.close()

    def finish(self, model: Snapshot, ended: Ended, signal: int | None) -> Result:
        """Writes the trained model and what it learned; `result.json` is written last."""
        clear_partial(self.folder)
        result = Result(self.folder, **structs.asdict(ended), seconds=time.perf_counter() - self.start, signal=signal)
        write_tensors(self.folder / "theta.safetensors", model.theta)
        write_tensors(self.folder / "buffers.safetensors", model.buffers)
        if model.phi is not None:
            write_tensors(self.folder / "phi.safetensors", model.phi)
            write_tensors(self.folder / "phi_history.safetensors", self.history.tensors())
        if self.learned_loss is not None:
            write_bytes(self.folder / "loss_curves.npz", self.history.curves(self.learned_loss))
        write_json(self.folder / "result.json", to_builtins(ended))
        return result


def _open_at(path: Path, length: int) -> Any:
    """Opens a file to write on from a length, to which it is cut."""
    mode = os.O_RDWR | (0 if length else os.O_CREAT | os.O_TRUNC)
    descriptor = os.open(path, mode | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    with ExitStack() as opened:
        opened.callback(os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{path} is not a plain file; the run cannot be resumed.")
        if os.lseek(descriptor, 0, os.SEEK_END) < length:
            raise UserError(f"{path} is shorter than its run's checkpoint says; the run cannot be resumed.")
        os.ftruncate(descriptor, length)
        os.lseek(descriptor, length, os.SEEK_SET)
        file = open(descriptor, "r+")  # noqa: SIM115, the caller closes it
        opened.pop_all()
    return file
