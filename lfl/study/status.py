"""How far a study is, whoever works on it: read from its folder."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import UserError
from ..run.schema import read_lines
from .cell import Cell
from .lock import is_claimed


class Running(NamedTuple):
    """A seed, or several together, on which a process works.

    Args:
        seeds: which, in words.
        phase, step, total: where it is; no phase before its first look at the losses.
        valid_error: where it was last looked at.
    """

    seeds: str
    phase: str | None
    step: int
    total: int
    valid_error: float | None


def running(cell: Cell, seeds: Sequence[int]) -> list[Running]:
    """What processes work on in a cell now."""
    if is_claimed(cell.lock(None)):
        return [_read(cell, None)]
    return [_read(cell, seed) for seed in seeds if cell.scratch(seed).is_dir() and is_claimed(cell.lock(seed))]


def _read(cell: Cell, seed: int | None) -> Running:
    folders = sorted(cell.scratch(seed).glob("runs/seed-*"))
    lines: list[dict[str, Any]] = []
    if folders:
        try:
            lines = read_lines(folders[0] / "metrics.jsonl")
        except UserError:  # not begun, moved just now, or half a line
            lines = []
    name = f"seed {seed}" if seed is not None else f"{len(folders)} seeds"
    if not lines:
        return Running(name, None, 0, 0, None)
    last = lines[-1]
    totals = {"init": cell.settings.offline_steps, "train": cell.settings.steps}
    errors = [line["valid_error"] for line in lines if "valid_error" in line]
    return Running(name, last["phase"], last["step"], totals[last["phase"]], errors[-1] if errors else None)
