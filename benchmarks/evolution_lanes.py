"""Seconds to evaluate a candidate of an evolution: one by one, and in lanes.

    python benchmarks/evolution_lanes.py mnist/logistic mnist/mlp mnist/lenet5
    python benchmarks/evolution_lanes.py --summary

A candidate's evaluation is 250 steps of local search, the rejection test, 500 steps of training and the validation
error. Steps of each are timed and scaled: forms take turns in one process; medians and quartiles over repetitions. The
first call, which compiles, is timed apart. `functions` computes each lane's loss by itself, `programs` all by the
interpreter. Writes `results/evolution-lanes.json` after each model, and skips models that it already holds.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "evolution-lanes.json"
TEXTS = (
    *("abs(log(y*f))", "square(y - f)", "abs(y - f)*-1 + sqrt(f)", "max(y, f) - tanh(div(y, f))"),
    *("log(y*f) - square(f)", "tanh(y - f)*square(f - y)", "sqrt(abs(y - f))", "square(log(f + y))"),
)
"""Trees of 4 to 8 nodes, which a search has in the mean."""

LANES = [1, 8, 25]


def measure(cells: list[str], seconds: float, steps: int, **which: Any) -> None:
    """Times all forms on each task and model."""
    import torch

    from lfl.device import keep_freed_memory
    from lfl.run.schema import environment

    keep_freed_memory()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    for cell in cells:
        if any(row["cell"] == cell for row in known()):
            continue
        cases = build(cell, steps, **which)
        times: dict[str, dict[str, list[float]]] = {name: {} for name in cases}
        first: dict[str, float] = {}
        for name, case in cases.items():
            started = time.perf_counter()
            for short, long in case.values():
                short()
                long()
            first[name] = time.perf_counter() - started
            print(cell, name, f"first call {first[name]:.1f} s", flush=True)
        until, turns = time.perf_counter() + seconds, 0
        while turns < 3 or time.perf_counter() < until:
            turns += 1
            for name, case in cases.items():
                for part, (short, long) in case.items():
                    a, b = clock(short), clock(long)
                    times[name].setdefault(part, []).append((b - a) / steps)
                    times[name].setdefault(f"{part}, rest", []).append(a)
        row = {
            "cell": cell,
            **environment(torch.device("cpu")),
            "threads": torch.get_num_threads(),
            "load": os.getloadavg()[0],
        } | {"repetitions": turns, "first_call_s": first, "forms": {n: summary(t) for n, t in times.items()}}
        RESULTS.write_text(json.dumps([*known(), row], indent=1) + "\n")
        show(row)


def known() -> list[dict[str, Any]]:
    """The rows that were measured before."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return found


def build(
    cell: str, steps: int, *, programs: bool, counts: list[int], compiled_lanes: bool
) -> dict[str, dict[str, tuple[Callable[[], Any], Callable[[], Any]]]]:
    """For each form and part of the evaluation, a call with one step, and one with some more."""
    from lfl.evolution import Protocol
    from lfl.evolution.closures import closures_of, first_loss
    from lfl.evolution.gates import rejection_test
    from lfl.evolution.lanes import Candidate, lanes_of
    from lfl.evolution.shared import share
    from lfl.symbolic import read_formula
    from lfl.task import load_task
    from lfl.training import resolve

    task_name, model = cell.split("/")
    task = load_task(task_name, Path(os.environ.get("LFL_DATA", "data")))
    settings = resolve(task.defaults, task=task_name, model=model, compile="off", batch_size=128)
    whole = share(task, settings, Protocol())

    def of(count: int, compiled: bool) -> Any:
        how = Protocol(local_steps=count, fitness_steps=count, filter_steps=count)
        return replace(whole, protocol=how, settings=replace(settings, compile="on" if compiled else "off"))

    trees = [read_formula(text).tree for text in TEXTS]
    cases: dict[str, Any] = {}
    calls: list[Any]
    names = ("functions", "programs") if programs else ("functions",)
    forms: list[tuple[str, int, Any]] = [("closures", 1, None)]
    forms += [("lanes", count, losses) for losses in names for count in counts]
    for kind, lanes, losses in forms:
        for compiled in (False, True) if losses is None or compiled_lanes else (False,):
            name = (
                f"{kind}{'' if losses is None else f' of {losses}, P = {lanes}'}, {'compiled' if compiled else 'eager'}"
            )
            chosen = [trees[i % len(trees)] for i in range(lanes)]
            short, long = of(1, compiled), of(1 + steps, compiled)
            if kind == "closures":
                phi, loss_fn = first_loss(whole, trees[0])
                evaluator = closures_of(short)
                calls = [replace(evaluator, shared=shared) for shared in (short, long)]
                cases[name] = {
                    "search": tuple(partial(c.local_search, phi, loss_fn) for c in calls),
                    "filter": tuple(partial(rejection_test, c.shared, phi, loss_fn) for c in calls),
                    "fitness": tuple(partial(c.fitness, phi, loss_fn) for c in calls),
                }
            else:
                together = lanes_of(short, lanes, losses=losses)
                calls = [replace(together, shared=shared) for shared in (short, long)]
                each = [Candidate(tree, first_loss(whole, tree)[0]["weights"]) for tree in chosen]
                cases[name] = {
                    "search": tuple(partial(c._local_search, each) for c in calls),
                    "filter": tuple(partial(c._rejection_test, each) for c in calls),
                    "fitness": tuple(partial(c._fitness, each) for c in calls),
                }
    return cases


def clock(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def summary(times: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Median and quartiles of a step of each part, in milliseconds, of all lanes together."""
    found = {}
    for part, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        found[part] = {"median_ms": round(1e3 * middle, 4), "quartiles_ms": [round(1e3 * v, 4) for v in (low, high)]}
    return found


def seconds_of(name: str, parts: dict[str, Any], filter_steps: int) -> float:
    """Seconds a candidate, without compiling."""
    count = int(name.split("P = ")[1].split(",")[0]) if "P = " in name else 1
    ms = {part: each["median_ms"] for part, each in parts.items()}
    steps = 250 * ms["search"] + filter_steps * ms["filter"] + 500 * ms["fitness"] + ms["fitness, rest"]
    return float(steps / 1e3 / count)


def show(row: dict[str, Any]) -> None:
    print(f"{row['cell']}, {row['repetitions']} repetitions, {row['threads']} thread(s)")
    for name, parts in row["forms"].items():
        ms = "  ".join(f"{part} {parts[part]['median_ms']:.2f}" for part in ("search", "filter", "fitness"))
        total = seconds_of(name, parts, 100)
        print(f"  {name:38} {total:7.2f} s a candidate; ms a step: {ms}; first {row['first_call_s'][name]:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("cells", nargs="*", default=["mnist/logistic", "mnist/mlp", "mnist/lenet5"])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--no-programs", action="store_true", help="leave the interpreter out")
    parser.add_argument("--lanes", type=int, nargs="*", default=LANES)
    parser.add_argument("--no-compiled-lanes", action="store_true")
    parser.add_argument("--summary", action="store_true")
    asked = parser.parse_args()
    if asked.summary:
        for found in known():
            show(found)
    else:
        which = {
            "programs": not asked.no_programs,
            "counts": asked.lanes,
            "compiled_lanes": not asked.no_compiled_lanes,
        }
        measure(asked.cells, asked.seconds, asked.steps, **which)
