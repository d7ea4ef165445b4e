"""Searches a loss from the first candidate, or from where it was left, to the training on what was found."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import Failure, UserError
from ..run import Result, read_result
from ..run.execute import execute_into
from ..run.folder import check_plain, clear_partial, explained, locked
from ..run.searched import CANDIDATES, read_candidates, read_finalists
from ..run.session import Draw, Say, Watch, silent
from ..run.signals import Stop, stop_on_signals
from ..symbolic import exact
from ..task import Task
from ..training import Settings
from .evaluators import Evaluators
from .finalists import Finalist, line_of, pick_finalists, trials, with_errors
from .folder import Log, SearchFolder, begin_search, candidate_of
from .progress import Clock, Searching, measured
from .search import Search, generation, replay
from .state import State

Evaluating = Callable[[], AbstractContextManager[Evaluators]]
"""Opens what evaluates candidates."""


class Searched(NamedTuple):
    """How a search ended.

    Args:
        folder: of the search and of the training on what it found.
        state: of the search.
        finalists: best first; the first was chosen. Empty where the search was interrupted.
        result: of the training; None before it.
        signal: the signal that interrupted it, if any.
    """

    folder: Path
    state: State
    finalists: tuple[Finalist, ...] = ()
    result: Result | None = None
    signal: int | None = None


class Watches(NamedTuple):
    """What is called while a search is under way: with each candidate, with the finalists, with each training step."""

    searching: Callable[[Searching], None] | None = None
    chosen: Callable[[tuple[Finalist, ...]], None] | None = None
    training: Watch | None = None
    say: Say = silent


def carry_on(
    folder: SearchFolder,
    task: Task,
    evaluating: Evaluating,
    watches: Watches,
    draw: Draw | None = None,
) -> Searched:
    """Continues a search until it is over, chooses a formula, and trains a model on it.

    An interrupt (Ctrl-C or SIGTERM) ends it between two candidates; everything is in the folder.

    Args:
        folder: of the search, from its first candidate on or from where it was left.
        task: its data.
        evaluating: opens what evaluates candidates.
        watches: called on the way.
        draw: as in `lfl.run.execute`.

    Raises:
        UserError: a file of the search is damaged, it is complete, or another process is at work on it.
        Failure: no candidate can train a model, a file cannot be written, or the training diverged.
    """
    with explained(f"write the search into {folder.path}", "make room"), locked(folder.path):
        check_plain(folder.path)
        clear_partial(folder.path)
        search = folder.search()
        where = str(folder.path / CANDIDATES)
        lines = read_candidates(folder.path) if (folder.path / CANDIDATES).is_file() else []
        before = [candidate_of(line, search, f"{where}, line {n},") for n, line in enumerate(lines, 1)]
        state = replay(search, before, where)
        if read_result(folder.path) is not None:
            raise UserError(f"{folder.path} is complete; there is nothing to resume.")
        log = Log(folder.path, len(before))
        try:
            with stop_on_signals() as stop, evaluating() as evaluators:
                state = _search(folder, search, state, evaluators, log, watches, stop)
                log.front(state)
                if stop.signal is not None:
                    return Searched(folder.path, state, signal=stop.signal)
                finalists = _choose(folder, task, state, evaluators, log, watches, stop)
                if stop.signal is not None:
                    return Searched(folder.path, state, signal=stop.signal)
        finally:
            log.close()
    if watches.chosen is not None:
        watches.chosen(finalists)
    result = _train(folder, task, finalists[0], watches, draw)
    return Searched(folder.path, state, finalists, result, result.signal)


def final_settings(folder: SearchFolder, finalist: Finalist) -> Settings:
    """The settings of the training on the formula that was chosen."""
    loss = exact(finalist.found.formula)
    return replace(folder.settings, method="fixed", loss=loss, base=None, seed=folder.evolution.final_seed)


def _train(folder: SearchFolder, task: Task, best: Finalist, watches: Watches, draw: Draw | None) -> Result:
    data_dir = None if folder.facts.data_dir is None else Path(folder.facts.data_dir)
    settings = final_settings(folder, best)
    return execute_into(task, settings, folder.path, watches.training, data_dir=data_dir, draw=draw, say=watches.say)


def _search(
    folder: SearchFolder,
    search: Search,
    state: State,
    evaluators: Evaluators,
    log: Log,
    watches: Watches,
    stop: Stop,
) -> State:
    """Evaluates candidates until all generations are complete, the time is over, or a signal comes."""
    if folder.noted.over is not None:
        return state
    clock = Clock(log.seconds, folder.evolution, state.num_candidates)
    _show(watches, folder, state, clock)
    while not search.over(state) and not clock.over(state) and stop.signal is None:
        with closing(generation(search, state, evaluators.evaluate)) as steps:
            for found, after in steps:
                state = after
                log.candidate(found, clock.seconds)
                _show(watches, folder, state, clock)
                if stop.signal is not None or clock.over(state):
                    break
        log.front(state)
    if stop.signal is None:
        why = "generations" if search.over(state) else "minutes"
        noted = msgspec.structs.replace(folder.noted, over=(why, state.num_candidates))
        begin_search(folder.path, noted)
    return state


def _choose(
    folder: SearchFolder, task: Task, state: State, evaluators: Evaluators, log: Log, watches: Watches, stop: Stop
) -> tuple[Finalist, ...]:
    """Trains the finalists on other seeds, as far as they are not, and returns them, best first."""
    evolution = folder.evolution
    if state.best is None:
        raise Failure(
            f"none of the {state.num_candidates} candidates in {folder.path} could train a model; search longer, or "
            "with --rejection off."
        )
    if evolution.finalists == 0:
        return (Finalist(state.best, ()),)
    finalists = pick_finalists(state, task.kind, evolution.finalists)
    wanted = trials(finalists, evolution, folder.settings.seed)
    done = read_finalists(folder.path)
    for line, trial in zip(done, wanted, strict=False):
        if (line.formula, line.seed) != (exact(trial.formula), trial.seed):
            raise UserError(f"{folder.path} has trained other finalists than its candidates say; search again.")
    clock = Clock(log.seconds, evolution, 0)
    with closing(evaluators.measure(wanted, len(done))) as errors:
        for i, error in enumerate(errors, len(done)):
            line = line_of(wanted[i], finalists[i % len(finalists)], error)
            log.finalist(line)
            done.append(line)
            _show(watches, folder, state, clock, finalists=(len(done), len(wanted)))
            if stop.signal is not None:
                break
    return tuple(with_errors(finalists, done))


def _show(
    watches: Watches, folder: SearchFolder, state: State, clock: Clock, finalists: tuple[int, int] | None = None
) -> None:
    if watches.searching is not None:
        watches.searching(measured(folder.evolution, state, clock, finalists))
