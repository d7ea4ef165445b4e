"""What `lfl.Learner.step` costs over a loop of `lfl.meta_step`, on LeNet-5 with batches of 128.

    python benchmarks/learner_overhead.py                # writes results/learner_overhead.csv
    python benchmarks/learner_overhead.py --table        # the table of docs/learner.md

One thread, one process, both loops in turns, in processor time, so that what else the machine does hits both or
neither: medians of single steps, the ratio of the medians, and the median and the middle half of the ratios of
neighbouring steps, which say how noisy it was.
Random data; eager and compiled; Nesterov momentum and weight decay. "loss fixed" are steps with `lfl.base_step`.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "learner_overhead.csv"
COLUMNS = [
    "step",
    "steps_timed",
    "meta_step_ms",
    "learner_ms",
    "ratio_of_medians",
    "median_ratio",
    "ratio_25",
    "ratio_75",
]


def measure(seconds: float) -> None:
    import torch
    from forms import setup

    torch.set_num_threads(1)
    rows = []
    for compiled in (False, True):
        for name, learns in (("loss learned", True), ("loss fixed", False)):
            s = setup("lenet5", torch.device("cpu"))
            train, valid = s.batch(), s.batch()
            loops = by_hand(s, compiled, learns), with_learner(s, compiled, learns)
            times = in_turns([partial(loop, train, valid) for loop in loops], seconds)
            row = [f"{'compiled' if compiled else 'eager'}, {name}", *summary(*times)]
            print(row, flush=True)
            rows.append(row)
            with RESULTS.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def by_hand(s: Any, compiled: bool, learns: bool) -> Callable[..., None]:
    """Returns a step of a loop of `lfl.meta_step`, or of `lfl.base_step`."""
    import lfl
    from lfl.training.compilation import compile_program

    inner, outer = optimisers()

    def meta(theta: Any, phi: Any, train: Any, valid: Any, carry: Any) -> Any:
        return lfl.meta_step(
            theta, phi, train, valid, carry, apply_fn=s.apply_fn, loss_fn=s.loss_fn, task_loss=lfl.cross_entropy,
            inner=inner, outer=outer,
        )  # fmt: skip

    def base(theta: Any, phi: Any, train: Any, valid: Any, carry: Any) -> Any:
        theta, carry, info = lfl.base_step(
            theta, train, carry, apply_fn=s.apply_fn, loss=partial(s.loss_fn, phi), task_loss=lfl.cross_entropy,
            inner=inner,
        )  # fmt: skip
        return theta, phi, carry, info

    step = meta if learns else base
    program = compile_program(step, s.device) if compiled else step
    state = [s.theta, s.phi, lfl.fresh_carry(s.theta, s.phi, apply_fn=s.apply_fn, inner=inner, outer=outer)]

    def call(train: Any, valid: Any) -> None:
        state[:] = program(*state[:2], train, valid, state[2])[:3]

    return call


def with_learner(s: Any, compiled: bool, learns: bool) -> Callable[..., None]:
    """Returns a step of `lfl.Learner`."""
    import lfl

    inner, outer = optimisers()
    learner = lfl.Learner(
        s.module,
        (s.phi, s.loss_fn),
        optimizer=inner,
        loss_optimizer=outer,
        meta_every=1 if learns else None,
        compile=compiled,
    )

    def call(train: Any, valid: Any) -> None:
        learner.step(train, valid)

    return call


def optimisers() -> tuple[Any, Any]:
    import lfl

    return lfl.sgd(0.01, momentum=0.9, nesterov=True, weight_decay=5e-4), lfl.adam(1e-5)


def in_turns(calls: list[Callable[[], None]], seconds: float) -> list[list[float]]:
    """Times of the calls in turns, the first one changing, after ten of each."""
    for _ in range(10):
        for call in calls:
            call()
    times: list[list[float]] = [[] for _ in calls]
    end, turn = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or turn < 50:
        order = range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls)))
        for i in order:
            start = time.process_time()
            calls[i]()
            times[i].append(1e3 * (time.process_time() - start))
        turn += 1
    return times


def summary(ours: list[float], learners: list[float]) -> list[str]:
    ratios = sorted(b / a for a, b in zip(ours, learners, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    a, b = statistics.median(ours), statistics.median(learners)
    return [str(len(ours)), f"{a:.3f}", f"{b:.3f}", *(f"{r:.3f}" for r in (b / a, middle, low, high))]


def table() -> str:
    with RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [
        "| step | by hand, ms | `Learner.step`, ms | ratio of the medians | of neighbouring steps, middle half |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = row["step"], row["meta_step_ms"], row["learner_ms"], row["ratio_of_medians"]
        lines.append(f"| {' | '.join(cells)} | {row['ratio_25']} to {row['ratio_75']} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="time spent on each row")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table())
    else:
        measure(asked.seconds)


if __name__ == "__main__":
    main()
