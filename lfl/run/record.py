"""What a run leaves behind, written as it goes."""

import json
import os
import stat
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import structs, to_builtins

from ..errors import UserError
from ..loss import AnyLearnedLoss
from ..training import Progress
from ..types import Kind
from .best import Best, Snapshot
from .board import Board
from .folder import clear_partial, write_bytes, write_json, write_tensors
from .history import History
from .schema import Ended, Look, Place


class Result(NamedTuple):
    """How a run ended.

    Args:
        folder: the run folder.
        kind: of the targets, which says what the errors are.
        phase, step: where it stopped.
        completed: False where it was interrupted.
        valid_error, test_error: error rates from 0 to 1, or mean squared errors, of the model that was kept.
        seconds: of training and evaluation; of all seeds together where they trained as one program.
        signal: what it was told to stop by, where it was.
        valid, test: what `lfl.training.metrics_of` says of the model that was kept; empty in older runs.
        last, best: step and errors of the model after the last step, and at the best look; None where not known.
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
    last: Look | None = None
    best: Look | None = None


class Record:
    """The run folder of one seed, while it trains."""

    def __init__(
        self,
        folder: Path,
        learned_loss: AnyLearnedLoss | None,
        *,
        history: History | None = None,
        best: Best | None = None,
        left_at: Place | None = None,
        board: Board | None = None,
    ) -> None:
        """Begin, or go on where `left_at` says, with the history and the best look up to there."""
        self.folder = folder
        self.learned_loss = learned_loss
        self.history = history or History()
        self.best = best
        left_at = left_at or Place(0, 0, 0.0)
        self.start = time.perf_counter() - left_at.seconds
        self.board = board
        self.files = ExitStack()
        if board is not None:
            self.files.callback(board.close)
        self.metrics, self.timing = (
            self.files.enter_context(_cut(folder / f"{name}.jsonl", length))
            for name, length in (("metrics", left_at.metrics), ("timing", left_at.timing))
        )

    def position(self) -> Place:
        """How far it is written, on the disk: what `left_at` takes."""
        for file in (self.metrics, self.timing):
            file.flush()
            os.fsync(file.fileno())
        return Place(self.metrics.tell(), self.timing.tell(), time.perf_counter() - self.start)

    def look(self, progress: Progress, done: int, phi: Any, metrics: dict[str, float] | None) -> None:
        """Take in a step, the `done`-th of all phases: the seed's phi, and its numbers where there are any."""
        if phi is not None:
            self.history.look(progress, phi)
        if metrics is not None:
            where = {"phase": progress.phase.name, "step": progress.step}
            print(json.dumps(where | metrics), file=self.metrics, flush=True)
            if self.board is not None:
                self.board.look(progress.phase.name, done, metrics)
            clock = {"seconds": round(time.perf_counter() - self.start, 3)}
            print(json.dumps(where | clock), file=self.timing, flush=True)

    def close(self) -> None:
        """No more steps come."""
        self.files.close()

    def finish(self, model: Snapshot, ended: Ended, signal: int | None) -> Result:
        """Write what was trained and learned; `result.json` comes last."""
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


def _cut(path: Path, length: int) -> Any:
    """A file to append to, cut to the length that it had."""
    mode = os.O_RDWR | (0 if length else os.O_CREAT | os.O_TRUNC)
    descriptor = os.open(path, mode | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    file = open(descriptor, "r+")  # noqa: SIM115, the caller closes it
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise UserError(f"{path} is not a plain file; the run cannot be resumed.")
    if file.seek(0, os.SEEK_END) < length:
        file.close()
        raise UserError(f"{path} is shorter than its run's checkpoint says; the run cannot be resumed.")
    file.truncate(length)
    file.seek(length)
    return file
