"""How far a study is, whatever engine runs it: read from its folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from ..run.schema import read_lines
from .control import read_orders
from .experiment import Experiment, Line, Planned
from .result import Outcome, Summary, read_outcome, summarise
from .worker import Piece, starts_of


class Running(NamedTuple):
    """A seed, or several together, that a worker trains.

    Args:
        seeds: which, in words.
        phase, step, total: where it is; no phase before its losses are first measured.
        valid_error: as last measured.
    """

    seeds: str
    phase: str | None
    step: int
    total: int
    valid_error: float | None


class LineStatus(NamedTuple):
    """How far a line is.

    Args:
        line: which.
        runs: how many runs it has.
        ended: its outcomes so far, with the experiment of each.
        now: what trains at the moment.
        summary: of the line, where all its runs have ended.
    """

    line: Line
    runs: int
    ended: list[tuple[Experiment, Outcome]]
    now: list[tuple[Experiment, Running]]
    summary: Summary | None


class Status(NamedTuple):
    """How far a study is.

    Args:
        lines: each line.
        runs, ended: number of runs, and of those that have ended; lines may share runs.
    """

    lines: list[LineStatus]
    runs: int
    ended: int


class StatusReader:
    """Reads again and again how far a study is; what has ended is read once.

    Args:
        out: folder of the study.
        planned: its lines.
        seeds: of each experiment.
    """

    def __init__(self, out: Path, planned: Planned, seeds: Sequence[int]) -> None:
        self.out, self.planned, self.seeds = out, planned, seeds
        self._ended: dict[tuple[Path, int], Outcome] = {}
        self._summaries: dict[tuple[str, str, str], Summary] = {}

    def read(self) -> Status:
        """Reads the status.

        Raises:
            UserError: a run was made with other settings, or its files are corrupt.
        """
        orders = read_orders(self.out)
        study = None if orders is None else orders.study
        lines = [self._line(line, experiments, study) for line, experiments in self.planned]
        runs = {(each.folder, seed) for _, experiments in self.planned for each in experiments for seed in self.seeds}
        return Status(lines, len(runs), len(self._ended))

    def _line(self, line: Line, experiments: list[Experiment], study: str | None) -> LineStatus:
        ended, now = [], []
        for experiment in experiments:
            for seed in self.seeds:
                outcome = self._outcome(experiment, seed)
                if outcome is not None:
                    ended.append((experiment, outcome))
            if study is not None and any((experiment.folder, seed) not in self._ended for seed in self.seeds):
                now += [(experiment, each) for each in running(experiment, self.seeds, study)]
        runs = len(experiments) * len(self.seeds)
        if len(ended) == runs and line.key not in self._summaries:
            summary = summarise(line, experiments, self.seeds)
            if summary is not None:
                self._summaries[line.key] = summary
        return LineStatus(line, runs, ended, now, self._summaries.get(line.key))

    def _outcome(self, experiment: Experiment, seed: int) -> Outcome | None:
        key = experiment.folder, seed
        if key not in self._ended:
            outcome = read_outcome(experiment, seed)
            if outcome is None:
                return None
            self._ended[key] = outcome
        return self._ended[key]


def running(experiment: Experiment, seeds: Sequence[int], study: str) -> list[Running]:
    """Returns what the workers of a study train of an experiment now; what an earlier study left there does not run."""
    pieces = [Piece(experiment, tuple(seeds), True), *(Piece(experiment, (seed,), False) for seed in seeds)]
    return [_read(piece) for piece in pieces if starts_of(piece, study)]


def _read(piece: Piece) -> Running:
    folders = sorted(piece.scratch.glob("runs/seed-*"))
    lines: list[dict[str, Any]] = []
    if folders:
        try:
            lines = read_lines(folders[0] / "metrics.jsonl")
        except UserError:  # not begun, moved just now, or half a line
            lines = []
    seeds = f"seed {piece.seed}" if piece.seed is not None else f"{len(folders) or len(piece.seeds)} seeds"
    if not lines:
        return Running(seeds, None, 0, 0, None)
    last, settings = lines[-1], piece.experiment.settings
    totals = {"init": settings.offline_steps, "train": settings.steps}
    errors = [line["valid_error"] for line in lines if "valid_error" in line]
    return Running(seeds, last["phase"], last["step"], totals[last["phase"]], errors[-1] if errors else None)
