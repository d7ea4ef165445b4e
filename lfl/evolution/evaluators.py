"""Evaluates candidates in this process or in several: what each is found to be depends on it alone."""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..device import keep_freed_memory
from ..evolution_settings import Evolution
from ..loss import LearnedLoss, symbolic_loss
from ..run import Named
from ..study.engine import Engine, open_engine
from ..symbolic import Formula, Tree
from ..task import Task
from ..training import Settings
from ..types import Tensors
from .closures import Closures, closures
from .finalists import Trial
from .lanes import Lanes, lanes
from .outcome import Outcome
from .protocol import Protocol
from .search import EvaluateFrom
from .state import Candidate

MeasureFrom = Callable[[Sequence[Trial], int], Generator[float, None, None]]
"""Trains formulas on seeds, from the training with this number on, and gives their validation errors."""


class Evaluators(NamedTuple):
    """What evaluates the candidates of a search, and its finalists."""

    evaluate: EvaluateFrom
    measure: MeasureFrom


def protocol_of(evolution: Evolution) -> Protocol:
    """Returns how a search evaluates its candidates."""
    return Protocol(
        local_steps=evolution.local_steps,
        local_lr=evolution.local_lr,
        objective=evolution.local_objective,  # type: ignore[arg-type]
        clip=None if evolution.published else 1.0,
        rejection=evolution.rejection,  # type: ignore[arg-type]
        filter_steps=evolution.filter_steps,
        filter_rows=evolution.filter_rows,
        wide_gate=evolution.wide_gate,
        fitness_steps=evolution.fitness_steps,
        order=evolution.order,  # type: ignore[arg-type]
    )


class Bench:
    """A task and the settings of its search, with the evaluator that was used last."""

    def __init__(self, task: Task, settings: Settings, evolution: Evolution, *, compiled: bool) -> None:
        self.task, self.evolution = task, evolution
        self.settings = replace(settings, compile="on" if compiled else "off")
        self._of = lru_cache(maxsize=1)(self._built)
        self._lanes = lru_cache(maxsize=1)(self._built_lanes)

    def candidates(self, candidates: Sequence[Candidate], start: int) -> Iterator[Outcome]:
        """Evaluates candidates from a number on. Those of a generation share lanes, also where some are known."""
        if self.evolution.evaluator == "lanes" and self.evolution.method != "taylorglo":
            if candidates[start:]:
                yield from self._lanes()([each.tree for each in candidates])[start:]
            return
        for each in candidates[start:]:
            yield self.candidate(each)

    def candidate(self, candidate: Candidate) -> Outcome:
        """Evaluates a candidate: its tree, or where it has them its numbers too."""
        evaluator = self._of(self.settings.seed, protocol_of(self.evolution))
        if candidate.weights is None:
            return evaluator([candidate.tree])[0]
        formula = Formula(candidate.tree, candidate.weights)
        measured = evaluator.evaluate_loss(*self._loss(formula), search=False)
        return Outcome(candidate.tree, candidate.weights, *measured[1:])

    def trial(self, trial: Trial) -> float:
        """Trains a fresh model on a formula as it is, and returns its validation error."""
        longer = Protocol(
            local_steps=0, rejection="off", fitness_steps=self.evolution.finalist_steps, order="published"
        )
        evaluator = self._of(trial.seed, replace(longer, filter_rows=self.evolution.filter_rows))
        return evaluator.fitness(*self._loss(trial.formula))[0]

    def _loss(self, formula: Formula) -> tuple[Tensors, LearnedLoss]:
        """A formula as a loss, on the task's device."""
        phi, loss_fn = symbolic_loss(formula, self.task.kind)
        return {name: t.to(self.task.device) for name, t in phi.items()}, loss_fn

    def _built(self, seed: int, protocol: Protocol) -> Closures:
        return closures(self.task, replace(self.settings, seed=seed), protocol)

    def _built_lanes(self) -> Lanes:
        return lanes(self.task, self.settings, protocol_of(self.evolution), self.evolution.num_lanes)


def here(bench: Bench) -> Evaluators:
    """Evaluates in this process, one after the other, or in lanes."""
    return Evaluators(
        lambda candidates, start: bench.candidates(candidates, start),
        lambda each, start: (bench.trial(trial) for trial in each[start:]),
    )


@contextmanager
def elsewhere(engine: Engine, folder: Path, threads: int) -> Iterator[Evaluators]:
    """Evaluates in several processes, which read the search from its folder; in the same order as `here`.

    Args:
        engine: which processes, and how many.
        folder: of the search.
        threads: CPU threads of each process.

    Raises:
        UserError: as `open_engine`.
        Failure: a process was killed.
    """
    where = str(folder.resolve())
    with open_engine(engine, folder, "") as ready:

        def work(kind: str, items: Sequence[Any], start: int) -> Generator[Any, None, None]:
            calls = [(where, threads, kind, number, _plain(item)) for number, item in enumerate(items)]
            yield from _in_order(ready.submit(_work, calls[start:]), start, len(calls))

        yield Evaluators(
            lambda candidates, start: work("candidate", candidates, start),
            lambda each, start: work("trial", each, start),
        )


def _in_order(results: Iterable[tuple[int, Any]], start: int, total: int) -> Iterator[Any]:
    """Yields numbered results in the order of their numbers, as soon as those before are there.

    The last one waits until the processes have ended their work, which closes what they were given.
    """
    waiting: dict[int, Any] = {}
    for number, result in results:
        waiting[number] = result
        while start in waiting and start < total - 1:
            yield waiting.pop(start)
            start += 1
    for number in range(start, total):
        yield waiting.pop(number)


def _plain(item: Candidate | Trial) -> tuple[Any, ...]:
    """A candidate or training as plain values, which any process can be sent."""
    if isinstance(item, Trial):
        return item.formula.tree.nodes, item.formula.weights, item.seed
    return item.tree.nodes, item.weights, None


def _work(folder: str, threads: int, kind: str, number: int, item: tuple[Any, ...]) -> tuple[int, Any]:
    """Evaluates a candidate, or trains a finalist, in a process of its own."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    nodes, weights, seed = item
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself; what is wrong with a candidate is its outcome
        bench = _bench(folder)
        if kind == "trial":
            return number, bench.trial(Trial(Formula(Tree(nodes), weights), seed))
        return number, bench.candidate(Candidate(Tree(nodes), weights))


@lru_cache(maxsize=1)
def _bench(folder: str) -> Bench:
    """The task and settings of a search, read from its folder by a process that evaluates for it."""
    from .folder import read_search

    search = read_search(Path(folder))
    return Bench(search.load_data(Named(trust=True)), search.settings, search.evolution, compiled=search.noted.compiled)
