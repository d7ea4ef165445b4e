"""A search for losses as its folder tells it: the front, the finalists, the ancestors of the formula chosen."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ..boundary import read_json
from ..errors import UserError
from ..run.searched import (
    CANDIDATES,
    FINALISTS,
    SEARCH,
    CandidateLine,
    FinalistLine,
    SearchFacts,
    is_search,
    read_candidates,
    read_finalists,
)
from ..symbolic import Formula, Tree, exact, fingerprint, grid, read_formula
from ..types import Kind
from .tables import Table

MOST_ROWS = 60
"""Rows of a table about a search."""


class SearchLog(NamedTuple):
    """A search for losses as its files tell it.

    Args:
        folder: of the search.
        facts: its settings.
        candidates: in order.
        finalists: their trainings.
        loss: the formula that was chosen, to the bit; empty before.
    """

    folder: Path
    facts: SearchFacts
    candidates: list[CandidateLine]
    finalists: list[FinalistLine]
    loss: str

    @property
    def front(self) -> list[CandidateLine]:
        """What no other candidate beats in size and error at once, by size."""
        least, front = math.inf, []
        for each in sorted(self.accepted, key=lambda line: (len(line.tree), line.fitness, line.place)):
            if each.fitness is not None and each.fitness < least:
                least = each.fitness
                front.append(each)
        return front

    @property
    def accepted(self) -> list[CandidateLine]:
        """The candidates that could train a model, without repeats."""
        return [each for each in self.candidates if each.fitness is not None and each.repeats is None]

    @property
    def winner(self) -> CandidateLine | None:
        """The candidate that was chosen; before that the best one."""
        for each in self.accepted:
            if self.loss and exact(formula_of(each)) == self.loss:
                return each
        return min(self.accepted, key=lambda line: (line.fitness, line.place), default=None)

    def ancestors(self, line: CandidateLine) -> list[CandidateLine]:
        """The candidates that one comes from, itself included, oldest first."""
        by_place = {each.place: each for each in self.candidates}
        found: dict[tuple[int, int], CandidateLine] = {}
        waiting = [line]
        while waiting:
            each = waiting.pop()
            if each.place not in found:
                found[each.place] = each
                above = [(each.generation - 1, slot) for slot in each.parents]
                waiting.extend(by_place[place] for place in above if place in by_place)
        return sorted(found.values(), key=lambda each: each.place)


def read_search(folder: Path, loss: str = "") -> SearchLog | None:
    """Reads a search for losses; None where a folder holds none, or none of its candidates.

    Args:
        folder: a run folder.
        loss: the loss that its run trained on.

    Raises:
        UserError: a file of it is damaged.
    """
    if not is_search(folder) or not (folder / CANDIDATES).is_file():
        return None
    candidates = read_candidates(folder)
    finalists = read_finalists(folder) if (folder / FINALISTS).is_file() else []
    log = SearchLog(folder, read_json(folder / SEARCH, SearchFacts), candidates, finalists, loss)
    for each in candidates:
        formula_of(each)
    return log if candidates else None


def formula_of(line: CandidateLine) -> Formula:
    """The formula of a candidate; of a repeat with numbers of 1.

    Raises:
        UserError: it is none.
    """
    try:
        tree = Tree(tuple(line.tree))
        return Formula(tree, (1.0,) * (tree.size - 1) if line.weights is None else tuple(line.weights))
    except UserError as error:
        raise UserError(f"the candidate at {line.place} of a search is damaged ({error}); search again.") from error


def printed_error(formula: Formula, kind: Kind) -> float:
    """The largest difference of the slopes of a formula as it is printed, relative to its largest slope.

    Args:
        formula: with all its digits; four are printed.
        kind: of the targets, which decides the points.
    """
    points = grid(kind)
    slope, shown = (fingerprint(each, *points) for each in (formula, read_formula(str(formula))))
    whole = torch.isfinite(slope) & torch.isfinite(shown)
    if not bool(whole.any()) or not bool(slope[whole].any()):
        return math.nan
    return float((slope[whole] - shown[whole]).abs().max() / slope[whole].abs().max())


def front_table(log: SearchLog) -> Table:
    """The front, and the error of what is printed of each formula."""
    rows = [
        [
            str(len(each.tree)),
            f"{each.fitness:.4f}",
            each_formula(each),
            _percent(printed_error(formula_of(each), log.facts.kind)),
        ]
        for each in log.front[-MOST_ROWS:]
    ]
    return Table(["size", "validation error", "formula", "error of its slopes as printed"], rows)


def finalist_table(log: SearchLog) -> Table:
    """The finalists: error in the search, and mean and range over the other seeds."""
    errors: dict[str, list[float]] = {}
    for line in log.finalists:
        errors.setdefault(line.formula, []).append(math.inf if line.error is None else line.error)
    in_search = {line.formula: (line.size, line.fitness) for line in log.finalists}
    rows = []
    for text, own in sorted(errors.items(), key=lambda pair: (sum(pair[1]) / len(pair[1]), in_search[pair[0]])):
        size, fitness = in_search[text]
        mean = f"{sum(own) / len(own):.4f} ({min(own):.4f} to {max(own):.4f})"
        chosen = "yes" if text == log.loss else ""
        rows.append([str(size), f"{fitness:.4f}", mean, chosen, str(read_formula(text))])
    return Table(["size", "error in the search", "error on other seeds, longer", "chosen", "formula"], rows)


def lineage_table(log: SearchLog) -> Table:
    """The line of first parents of the winner, from the first generation on, copies left out."""
    rows: list[list[str]] = []
    by_place = {each.place: each for each in log.candidates}
    line = log.winner
    while line is not None:
        parents = ", ".join(str(slot) for slot in line.parents)
        error = "rejected" if line.fitness is None else f"{line.fitness:.4f}"
        corrected = ", corrected" if line.corrected else ""
        if line.operator not in ("copy", "elite"):
            rows.append(
                [str(line.generation), str(line.slot), line.operator + corrected, parents, error, each_formula(line)]
            )
        line = by_place.get((line.generation - 1, line.parents[0])) if line.parents else None
    head = ["generation", "slot", "operator", "parents", "validation error", "formula"]
    return Table(head, rows[::-1][-MOST_ROWS:])


def each_formula(line: CandidateLine) -> str:
    """The formula of a candidate, with four digits."""
    return str(formula_of(line))


def summary(log: SearchLog) -> str:
    """What a search did, in a sentence."""
    repeats = sum(each.repeats is not None for each in log.candidates)
    counts = {name: sum(each.verdict == name and each.repeats is None for each in log.candidates) for name in VERDICTS}
    over = "" if log.facts.over is None else f"; it ended by its {log.facts.over[0]}"
    words = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    method, number = log.facts.evolution.get("method", ""), len(log.candidates)
    return f"{method}: {number:,} candidates, {words}, {repeats:,} repeats{over}."


VERDICTS: Sequence[str] = ("accepted", "rejected", "not finite")


def _percent(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1e}"
