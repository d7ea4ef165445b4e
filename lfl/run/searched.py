"""The files of a search for losses: a line for each candidate, and for each training of a finalist."""

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ..boundary import Count, converted, parse_json, read_bytes
from ..errors import UserError
from ..types import Kind

SEARCH, CANDIDATES, TIMES, FRONT, FINALISTS = (
    *("evolution.json", "evolution.jsonl", "evolution_timing.jsonl"),
    *("front.csv", "finalists.jsonl"),
)
MOST_CANDIDATES = 1_000_000

Verdict = Literal["accepted", "rejected", "not finite"]
Place = tuple[Count, Count]


class CandidateLine(Struct, frozen=True, kw_only=True):
    """A line of `evolution.jsonl`.

    Args:
        generation, slot: its place.
        formula: to read; tree and weights have every bit.
        tree: names in prefix order.
        weights: of the tree's edges after local search; None of a repeat.
        operator: what made it; `"guess"` of one that the user gave.
        parents: slots in the generation before.
        corrected: whether an argument that it lacked was put in.
        verdict, reason, improvement: as in `lfl.evolution.Outcome`.
        fitness: validation error; None where it is infinite.
        repeats: the place of the candidate that it repeats, whose verdict and fitness it has.
    """

    generation: Count
    slot: Count
    formula: str = ""
    tree: Annotated[list[str], Meta(min_length=1, max_length=1000)]
    weights: Annotated[list[float], Meta(max_length=999)] | None
    operator: str
    parents: list[Count]
    corrected: bool
    verdict: Verdict
    reason: str
    fitness: float | None
    improvement: float | None
    repeats: Place | None

    @property
    def place(self) -> tuple[int, int]:
        """Generation and slot."""
        return self.generation, self.slot


class FinalistLine(Struct, frozen=True, kw_only=True):
    """A line of `finalists.jsonl`: one training of a formula on a seed of its own; error None where not finite."""

    formula: str
    size: Count
    fitness: float
    seed: Count
    error: float | None


class SearchFacts(Struct, frozen=True, kw_only=True):
    """The content of `evolution.json`.

    Args:
        format: of the folder.
        kind: of the targets.
        settings: of the run, as in `config.json`.
        evolution: of the search.
        guesses: formulas in the first generation.
        facts: device, versions and where the data are, as in `config.json`.
        compiled: whether the steps of candidates are compiled.
        over: why the search ended, and after how many candidates; None while it goes on.
    """

    format: Literal[1] = 1
    kind: Kind
    settings: dict[str, Any]
    evolution: dict[str, Any]
    guesses: list[str]
    facts: dict[str, Any]
    compiled: bool = False
    over: tuple[str, Count] | None = None


def is_search(folder: Path) -> bool:
    """Whether a folder is that of a search for losses, finished or not."""
    return (folder / SEARCH).is_file()


def read_candidates(folder: Path) -> list[CandidateLine]:
    """Reads the candidates of a search; a last line that was cut short is left out.

    Raises:
        UserError: the file cannot be read, or a line is damaged; it names the line.
    """
    return [converted(value, CandidateLine, where) for value, where in _values(folder / CANDIDATES)]


def read_finalists(folder: Path) -> list[FinalistLine]:
    """Reads the trainings of the finalists, as `read_candidates` does."""
    return [converted(value, FinalistLine, where) for value, where in _values(folder / FINALISTS)]


def whole_lines(path: Path) -> bytes:
    """The lines of a file that are whole; nothing where there is no such file."""
    if not path.is_file():
        return b""
    content = read_bytes(path)
    return content[: content.rfind(b"\n") + 1]


def _values(path: Path) -> list[tuple[Any, str]]:
    lines = whole_lines(path).splitlines()
    if len(lines) > MOST_CANDIDATES:
        raise UserError(f"{path} has {len(lines):,} lines, more than the {MOST_CANDIDATES:,} of any search.")
    return [(parse_json(line, f"{path}, line {n},"), f"{path}, line {n},") for n, line in enumerate(lines, 1)]
