"""When does a learned loss pay? The method `residual` beside every rival, on dirty labels, bad targets, rare classes.

    python benchmarks/value.py [--only digits] [--minutes 60]   # what is missing of the grid
    python benchmarks/value.py --time                           # steps of `residual` over those of a plain loop
    python benchmarks/value_tables.py                           # tables, counts of wins, the figure

For each scenario of `rivals.py` and each rival: the rate of the model, and one choice more where the rival has one, are
chosen on seeds 100 and 101 by the error on rows that are clean, were held out of train, and are seen by nothing else,
the same for all rivals. Then five seeds, 0 to 4, with what was chosen for the last step and what was chosen for the
best step (the one with the least error on the clean set, looked at fifty times). Within a seed all rivals have the same
wrong labels, the same first weights and, where they train on the same rows, the same batches.

Writes a line to `results/value.csv` after each run and does not repeat what is there.
"""

import argparse
import csv
import math
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from rivals import BY_HAND, OWN, Rival, Scenario, scenarios

import lfl
from lfl.data.arrays import Split
from lfl.loss import HANDCRAFTED
from lfl.method import Programs, State, plan
from lfl.task import Task, load_task
from lfl.training import (
    ERRORS,
    Settings,
    build_functional,
    build_problem,
    build_programs,
    evaluate,
    resolve,
    spoiled_train,
    train,
)

RESULTS = Path(__file__).parent / "results"
FIELDS = ["scenario", "rival", "rate", "option", "seed"]
FOUND = ["last_valid", "last_held", "last_test", "best_step", "best_valid", "best_held", "best_test", "seconds"]
TUNING_SEEDS, SEEDS = (100, 101), (0, 1, 2, 3, 4)
LOOKS = 50
SHARED: dict[str, Any] = {"momentum": 0.9, "schedule": "cosine", "clip_norm": 1.0}
"""The optimiser of the model, the same for all."""
FINE_TUNING_STEPS = 500
TIMED = (
    "digits, symmetric:0.4, 144 clean",
    "california, shift:0.3",
    "mnist, symmetric:0.4",
    "mnist lenet5, symmetric:0.4",
)
"""What `--time` measures: a scenario for each kind of data and model."""


class Outcome(NamedTuple):
    """Errors on the clean set, on the rows held out for choices, and on test, at the last step and at the best."""

    last: tuple[float, float, float]
    best_step: int
    best: tuple[float, float, float]
    seconds: float


@lru_cache(maxsize=2)
def load(name: str, clean: int, train_size: int | None) -> Task:
    task = load_task(name, Path(os.environ.get("LFL_DATA", "data")), eval_split=True, valid_size=clean)
    return replace(task, train=Split(*(t[:train_size] for t in task.train)))


def train_split(task: Task, scenario: Scenario, rival: Rival, option: Any, seed: int) -> Split:
    """What the rival's model is trained on."""
    asked = resolve(task.defaults, task=task.name, **scenario.spoiled)
    spoiled = spoiled_train(task, asked, seed)
    worse = Split(task.train.x[spoiled.rows], spoiled.y)
    clean = Split(task.valid.x, task.valid.y)
    if rival.start is not None or rival.data == "clean":
        return clean
    if rival.data == "mixed":
        return Split(*(torch.cat((a, *[b] * option)) for a, b in zip(worse, clean, strict=True)))
    return worse


@contextmanager
def own_loss(kind: Any, rival: Rival, task: Task, option: Any) -> Iterator[dict[str, Any]]:
    """The settings that ask for a rival's own loss, while they can."""
    if rival.loss is None:
        yield {}
        return
    loss = rival.loss(task.train.y, task.num_outputs, 1.0 if rival.data == "mixed" else option)
    with patch.dict(HANDCRAFTED[kind], {OWN: loss}):
        yield {"loss": OWN}


def trained(name: str, rival_name: str, rate: float | None, option: Any, seed: int) -> tuple[Outcome, State]:
    """Train once, and look at the model now and then; the outcome, and the model at its best step."""
    scenario = scenarios()[name]
    rival = scenario.rivals[rival_name]
    whole = load(scenario.task, scenario.clean, scenario.train_size)
    task = replace(whole, train=train_split(whole, scenario, rival, option, seed), augmentation=None)
    shared = SHARED | {"batch_size": scenario.batch_size}
    if rival.start is not None:
        shared |= {"steps": FINE_TUNING_STEPS, "inner_lr": option}
    else:
        shared |= {"steps": scenario.steps}
        shared |= {} if rate is None else {"inner_lr": rate}
    with own_loss(task.kind, rival, task, option) as asked:
        settings = resolve(
            task.defaults, task=task.name, model=scenario.model, seed=seed, **(shared | rival.settings | asked)
        )
        problem = build_problem(task, settings, steps=None if asked else compiled(task, settings))
    if rival.start is not None:
        _, start = start_of(name, rival.start, rate, scenario.rivals[rival.start].options[0], seed)
        problem = replace(problem, theta_0=start.theta)
    return run(task, settings, problem)


PROGRAMS: dict[Any, Programs] = {}
PASSED_IN = {"inner_lr": 0.0, "outer_lr": 0.0, "seed": 0, "steps": LOOKS, "offline_steps": 1, "valid_size": None}
"""Settings that a compiled step does not depend on."""


def compiled(task: Task, settings: Settings) -> Programs:
    """The compiled steps of a run, shared by all that differ in rates and data alone."""
    alike = {**asdict(settings), **PASSED_IN, "checkpoint_every": 0, "log_every": 1, "eval_every": 1}
    key = repr(alike)
    if key not in PROGRAMS:
        PROGRAMS[key] = build_programs(task, settings, many_seeds=False, compiled=True)
    return PROGRAMS[key]


start_of = lru_cache(maxsize=4)(trained)
"""The same for a model that several rates of fine-tuning start from."""


def run(task: Task, settings: Settings, problem: Any) -> tuple[Outcome, State]:
    _, apply_fn = build_functional(task, settings)
    best: list[tuple[float, int, State]] = []

    def error(state: State, split: Split | None) -> float:
        assert split is not None
        return evaluate(apply_fn, state.theta, state.carry.buffers, split, ERRORS[task.kind])

    def look(state: State, step: int) -> list[dict[str, float]]:
        seen = error(state, task.valid)
        if not best or seen < best[0][0]:
            best[:] = [(seen, step, state)]
        return [{}]

    start = time.perf_counter()
    every = settings.steps // LOOKS
    try:
        for progress in train(plan(settings.method, problem), look=look, log_every=every, eval_every=every):
            state = progress.state
    except lfl.Failure:
        nowhere = (math.nan,) * 3
        return Outcome(nowhere, 0, nowhere, math.nan), plan(settings.method, problem).state
    seconds = time.perf_counter() - start
    splits = (task.valid, task.eval, task.test)
    last, first = ([error(each, split) for split in splits] for each in (state, best[0][2]))
    return Outcome((last[0], last[1], last[2]), best[0][1], (first[0], first[1], first[2]), seconds), best[0][2]


class Grid:
    """The lines of the results, and what is missing of them."""

    def __init__(self, path: Path, until: float) -> None:
        self.path, self.until = path, until
        self.rows: dict[tuple[str, ...], dict[str, str]] = {}
        if path.is_file():
            with path.open(newline="") as file:
                self.rows = {tuple(row[name] for name in FIELDS): row for row in csv.DictReader(file)}

    def row(self, name: str, rival: str, rate: float | None, option: Any, seed: int) -> dict[str, str]:
        """A line, measured where it is not there."""
        key = (name, rival, *("" if value is None else str(value) for value in (rate, option)), str(seed))
        if key not in self.rows:
            if time.monotonic() > self.until:
                raise SystemExit("the time is over; call it again to go on.")
            found, _ = trained(name, rival, rate, option, seed)
            numbers = [*found.last, found.best_step, *found.best, round(found.seconds, 2)]
            values = [f"{n:.6g}" if isinstance(n, float) else str(n) for n in numbers]
            self.rows[key] = dict(zip([*FIELDS, *FOUND], [*key, *values], strict=True))
            new = not self.path.is_file()
            with self.path.open("a", newline="") as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow([*FIELDS, *FOUND])
                writer.writerow(self.rows[key].values())
            print(*self.rows[key].values(), sep="  ", flush=True)
        return self.rows[key]

    def chosen(self, name: str, rival: str, column: str) -> tuple[float | None, Any]:
        """The rate and option with the least mean of a column over the tuning seeds."""
        scenario = scenarios()[name]
        whole = scenario.rivals[rival]
        if whole.fixed:
            return None, None
        rates: tuple[float | None, ...] = scenario.rates
        if whole.start is not None:
            rates = (self.chosen(name, whole.start, "best_held")[0],)

        def mean(rate: float | None, option: Any) -> float:
            errors = [float(self.row(name, rival, rate, option, seed)[column]) for seed in TUNING_SEEDS]
            return math.inf if any(map(math.isnan, errors)) else statistics.fmean(errors)

        return min(product(rates, whole.options), key=lambda choice: mean(*choice))

    def fill(self, name: str, only: list[str]) -> None:
        for rival, whole in scenarios()[name].rivals.items():
            if only and rival not in only:
                continue
            trains_on_clean = whole.start is not None or whole.data != "train"  # where the best step says nothing
            for column in ("last_held",) if trains_on_clean else ("last_held", "best_held"):
                for seed in SEEDS:
                    self.row(name, rival, *self.chosen(name, rival, column), seed)


def measure_time(blocks: int = 9, steps: int = 40) -> None:
    """Seconds of compiled steps of each way to learn over those of a plain loop, block by block in one process."""
    from rows import add_row

    for name in TIMED:
        scenario = scenarios()[name]
        task = load(scenario.task, scenario.clean, scenario.train_size)
        ways = {"plain": BY_HAND, **{f"every {k}": {"method": "residual", "meta_every": k} for k in (1, 5, 10, 20)}}
        runs: dict[str, tuple[Any, State]] = {}
        for way, asked in ways.items():
            settings = resolve(
                task.defaults,
                task=task.name,
                model=scenario.model,
                steps=10_000,
                batch_size=scenario.batch_size,
                **(SHARED | asked),
            )
            whole = plan(settings.method, build_problem(task, settings, steps=compiled(task, settings)))
            runs[way] = whole.phases[-1], whole.state
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for block in range(blocks + 1):
            for way, (phase, state) in runs.items():
                start = time.perf_counter()
                for step in range(block * steps, (block + 1) * steps):
                    state, _ = phase.step(state, phase.draw(step))
                seconds[way].append(time.perf_counter() - start)
                runs[way] = phase, state
        ratios = {
            way: [a / b for a, b in zip(found[1:], seconds["plain"][1:], strict=True)] for way, found in seconds.items()
        }
        row = {"scenario": name, "blocks": blocks, "steps": steps}
        measured = {
            way: {"median": round(statistics.median(r), 3), "least": round(min(r), 3), "most": round(max(r), 3)}
            for way, r in ratios.items()
        }
        print(add_row(RESULTS / "value-time.json", row, lambda m=measured: {"over plain": m}, torch.device("cpu")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="scenarios whose names begin so")
    parser.add_argument("--rivals", nargs="*", default=[], help="these alone")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no run is begun after so many")
    parser.add_argument("--out", type=Path, default=RESULTS / "value.csv")
    parser.add_argument("--time", action="store_true", help="measure what a step costs in place of errors")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.time:
        measure_time()
        return
    grid = Grid(asked.out, time.monotonic() + 60 * asked.minutes)
    for name in scenarios():
        if name.startswith(asked.only):
            grid.fill(name, asked.rivals)


if __name__ == "__main__":
    main()
