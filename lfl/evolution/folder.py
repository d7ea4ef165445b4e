"""The folder of a search: its settings, a line for each candidate, and the search read back from them."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs, to_builtins

from ..boundary import converted, read_bytes, read_json
from ..errors import UserError
from ..evolution_settings import EVOLUTION_TYPES, Evolution
from ..run import Named
from ..run.folder import write_bytes, write_json
from ..run.load import task_of
from ..run.schema import Facts
from ..run.searched import CANDIDATES, FINALISTS, FRONT, SEARCH, TIMES, CandidateLine, SearchFacts, whole_lines
from ..run.trust import allow, asked_for
from ..settings import TYPES
from ..symbolic import Tree
from ..task import Task
from ..training import Settings
from .breeding import breed_formulas, read_guesses
from .front import front_table
from .outcome import Outcome
from .search import Search, key_of
from .state import Candidate, Evaluated, State
from .taylorglo import breed_polynomials


class SearchFolder(NamedTuple):
    """A search as its folder says that it is.

    Args:
        path: of the folder.
        noted: the content of `evolution.json`.
        settings: of its trainings: data, model, optimiser.
        evolution: of the search.
        facts: where it was begun.
    """

    path: Path
    noted: SearchFacts
    settings: Settings
    evolution: Evolution
    facts: Facts

    def search(self) -> Search:
        """What determines the search beside the fitness of its candidates."""
        return search_of(self.evolution, self.settings.seed, self.noted.guesses)

    def load_data(self, named: Named) -> Task:
        """Loads the data of the search, where the user named or trusts what it asks for.

        Raises:
            UserError: it asks for code or data that were not named, or the data have changed.
        """
        settings, noted = self.settings, self.facts.data_dir
        allow(self.path, asked_for(asdict(settings), noted), named)
        task = task_of(settings, noted, named)
        if self.facts.data is not None and task.digest != self.facts.data:
            raise UserError(
                f"the data of {task.name} are not those of the search in {self.path}; put the old ones back, or search "
                "again."
            )
        return task


def search_of(evolution: Evolution, seed: int, guesses: Sequence[str]) -> Search:
    """Returns what determines a search beside the fitness of its candidates.

    Raises:
        UserError: a guess that cannot be one, or guesses for a search of polynomials.
        MissingPackage: as `breed_polynomials`.
    """
    if evolution.method == "taylorglo":
        if guesses:
            raise UserError("--guess is for formulas, but the method is taylorglo; leave it out.")
        breed = breed_polynomials(evolution, seed)
    else:
        breed = breed_formulas(evolution, seed, read_guesses(guesses, evolution.population))
    return Search(breed, key_of(evolution.method, evolution.repeats), evolution.population, evolution.generations)


def begin_search(folder: Path, noted: SearchFacts) -> None:
    """Writes what a search is, before its first candidate."""
    write_json(folder / SEARCH, structs.asdict(noted))


def read_search(folder: Path) -> SearchFolder:
    """Reads what a search is.

    Raises:
        UserError: there is no search, or `evolution.json` is damaged.
    """
    path = folder / SEARCH
    if not folder.is_dir() or not path.is_file():
        raise UserError(f"{folder} is not the folder of a search; name one that lfl evolve made.")
    noted = read_json(path, SearchFacts)
    for names, found in ((TYPES, noted.settings), (EVOLUTION_TYPES, noted.evolution)):
        if odd := sorted(names.keys() ^ found.keys()):
            raise UserError(f"{path} lacks, or does not know, {', '.join(odd[:3])}; it is of another version of lfl.")
    try:
        settings, evolution = Settings(**noted.settings), Evolution(**noted.evolution)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return SearchFolder(folder, noted, settings, evolution, converted(noted.facts, Facts, str(path)))


def line_of(found: Evaluated) -> bytes:
    """A candidate as a line of `evolution.jsonl`."""
    line = {
        "generation": found.place[0],
        "slot": found.place[1],
        "formula": str(found.formula),
        "tree": list(found.tree.nodes),
        "weights": found.weights,
        "operator": found.candidate.operator,
        "parents": found.candidate.parents,
        "corrected": found.candidate.corrected,
        "verdict": found.verdict,
        "reason": found.reason,
        "fitness": found.fitness if math.isfinite(found.fitness) else None,
        "improvement": found.improvement,
        "repeats": found.repeats,
    }
    return (json.dumps(line, allow_nan=False) + "\n").encode()


def candidate_of(line: CandidateLine, search: Search, where: str) -> Evaluated:
    """A line of `evolution.jsonl` as a candidate that was evaluated.

    Raises:
        UserError: the line cannot be one of a search.
    """
    fitness = math.inf if line.fitness is None else line.fitness
    try:
        tree = Tree(tuple(line.tree))
        weights = None if line.weights is None else tuple(line.weights)
        given = weights if line.operator == "cma" else None
        candidate = Candidate(tree, given, line.operator, tuple(line.parents), line.corrected)
        found = Evaluated(
            line.place, candidate, weights, line.verdict, line.reason, fitness, line.improvement, line.repeats
        )
        if (weights is None) == (line.repeats is None):
            raise UserError("weights belong to what is no repeat")
        Outcome(tree, found.formula.weights, line.verdict, line.reason, fitness, line.improvement, 0.0)
    except UserError as error:
        raise UserError(f"{where} is damaged ({error}); search again into another folder.") from error
    return found


class Log:
    """The files of a search, open for writing.

    Args:
        folder: of the search; a last line that was cut short is removed.
        lines: how many candidates it has.
    """

    def __init__(self, folder: Path, lines: int) -> None:
        self.folder = folder
        times = whole_lines(folder / TIMES).splitlines(keepends=True)[:lines]
        for name, content in (
            (CANDIDATES, whole_lines(folder / CANDIDATES)),
            (TIMES, b"".join(times)),
            (FINALISTS, whole_lines(folder / FINALISTS)),
        ):
            if not (folder / name).is_file() or read_bytes(folder / name) != content:
                write_bytes(folder / name, content)
        self.seconds = _last_seconds(times, str(folder / TIMES))
        self._files = {name: (folder / name).open("ab") for name in (CANDIDATES, TIMES, FINALISTS)}

    def candidate(self, found: Evaluated, seconds: float) -> None:
        """Writes a candidate, and how long the search has taken so far."""
        self._append(CANDIDATES, line_of(found))
        generation, slot = found.place
        clock = {"generation": generation, "slot": slot, "seconds": seconds, "evaluation": found.seconds}
        self._append(TIMES, (json.dumps(clock) + "\n").encode())
        self.seconds = seconds

    def finalist(self, line: Any) -> None:
        """Writes a training of a finalist."""
        self._append(FINALISTS, (json.dumps(to_builtins(line)) + "\n").encode())

    def front(self, state: State) -> None:
        """Writes the front."""
        write_bytes(self.folder / FRONT, front_table(state.front))

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()

    def _append(self, name: str, content: bytes) -> None:
        self._files[name].write(content)
        self._files[name].flush()


def _last_seconds(lines: Sequence[bytes], where: str) -> float:
    """The seconds on the last line of the times; 0 without one."""
    if not lines:
        return 0.0
    try:
        seconds = float(json.loads(lines[-1])["seconds"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{where} is damaged; remove it.") from error
    return seconds if 0.0 <= seconds < math.inf else 0.0
