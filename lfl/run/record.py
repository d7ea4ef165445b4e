"""What a run leaves behind, written as it goes."""

import json
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ..method import State
from ..training import Progress, Settings
from ..training.learned import Learned
from .folder import write_bytes, write_json, write_tensors
from .history import History


class Result(NamedTuple):
    """How a run ended.

    Args:
        folder: the run folder.
        phase, step: where it stopped.
        completed: False where it was interrupted.
        valid_error, test_error: error rates from 0 to 1, or mean squared errors.
        seconds: of training and evaluation; of all seeds together where they trained as one program.
    """

    folder: Path
    phase: str
    step: int
    completed: bool
    valid_error: float
    test_error: float
    seconds: float


class Record:
    """The run folder of one seed, while it trains."""

    def __init__(self, folder: Path, settings: Settings, facts: dict[str, Any], learned: Learned) -> None:
        self.folder = folder
        self.learned_loss = learned.learned_loss
        self.history = History()
        self.start = time.perf_counter()
        write_json(folder / "config.json", asdict(settings) | facts)
        self.files = ExitStack()
        self.metrics, self.timing = (
            self.files.enter_context((folder / name).open("w")) for name in ("metrics.jsonl", "timing.jsonl")
        )

    def look(self, progress: Progress, phi: Any, metrics: dict[str, float] | None) -> None:
        """Take in a step: the seed's phi, and its numbers where there are any."""
        if phi is not None:
            self.history.look(progress, phi)
        if metrics is not None:
            where = {"phase": progress.phase.name, "step": progress.step}
            print(json.dumps(where | metrics), file=self.metrics, flush=True)
            clock = {"seconds": round(time.perf_counter() - self.start, 3)}
            print(json.dumps(where | clock), file=self.timing, flush=True)

    def close(self) -> None:
        """No more steps come."""
        self.files.close()

    def finish(self, state: State, ended: dict[str, Any]) -> Result:
        """Write what was trained and learned."""
        result = Result(self.folder, **ended, seconds=time.perf_counter() - self.start)
        write_tensors(self.folder / "theta.safetensors", state.theta)
        write_tensors(self.folder / "buffers.safetensors", state.carry.buffers)
        if state.phi is not None:
            write_tensors(self.folder / "phi.safetensors", state.phi)
            write_tensors(self.folder / "phi_history.safetensors", self.history.tensors())
        if self.learned_loss is not None:
            write_bytes(self.folder / "loss_curves.npz", self.history.curves(self.learned_loss))
        write_json(self.folder / "result.json", ended)
        return result
