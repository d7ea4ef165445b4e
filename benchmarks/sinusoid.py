"""MAML on sine curves from five points each, beside the published errors.

    python benchmarks/sinusoid.py
    python benchmarks/sinusoid.py --table        # from the committed results

A network of two hidden layers of 40 ReLU units learns where to start: amplitudes in [0.1, 5], phases in [0, pi], inputs
in [-5, 5], 25 tasks an iteration, one inner step at 0.01 on five points, judged on five others, Adam at 1e-3, 70,000
iterations. It is then tested on 2,000 new curves, 100 points each. Beside it the same network trained on all curves
together, without an inner step. Paper: 0.67, 0.38 and 0.35 after 1, 5 and 10 steps, and 2.41, 2.23 and 2.19 without
(Finn, Abbeel and Levine 2017). Writes `results/sinusoid.json` as it goes.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import lfl
from lfl.fewshot import METHODS, Episode, evaluate, few_shot_problem, gradient_of
from lfl.randomness import generator

RESULTS = Path(__file__).parent / "results" / "sinusoid.json"
STEPS = (0, 1, 5, 10)
METHODS_SHOWN = {"MAML": 1, "trained on all curves": 0}
PUBLISHED = {"MAML": {1: 0.67, 5: 0.38, 10: 0.35}, "trained on all curves": {1: 2.41, 5: 2.23, 10: 2.19}}
SHOTS, TEST_POINTS, TEST_TASKS = 5, 100, 2000
NUM_TASKS, INNER_LR, OUTER_LR = 25, 0.01, 1e-3


class Sinusoids:
    """Sine curves of torch's own generator, which a CPU draws five times faster than `lfl.fewshot.sinusoid`'s; those of
    `test` are the same for all seeds."""

    kind = "regression"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def draw(self, split: str, step: int, num_tasks: int) -> Episode:
        g = generator(self.seed if split == "train" else 0, f"sinusoid {split}", step)
        points = SHOTS + (SHOTS if split == "train" else TEST_POINTS)
        amplitude = 0.1 + 4.9 * torch.rand(num_tasks, 1, 1, generator=g)
        phase = torch.pi * torch.rand(num_tasks, 1, 1, generator=g)
        x = 10.0 * torch.rand(num_tasks, points, 1, generator=g) - 5.0
        y = amplitude * torch.sin(x - phase)
        return Episode(x[:, :SHOTS], y[:, :SHOTS], x[:, SHOTS:], y[:, SHOTS:])


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hidden = nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU()
        return nn.Sequential(*hidden, nn.Linear(40, 1))


def trained(name: str, seed: int, iterations: int, measure_every: int) -> Any:
    """Yields the results so far of one run."""
    settings = {"inner_steps": METHODS_SHOWN[name], "inner_lr": INNER_LR, "seed": seed, "steps": iterations}
    problem = few_shot_problem(network(seed), "regression", 1, input_shape=(1,), **settings)
    method, episodes = METHODS["maml"](problem), Sinusoids(seed)
    init, update = lfl.adam(OUTER_LR)

    @torch.compile(fullgraph=True)
    def step(phi: Any, state: Any, tasks: Episode) -> Any:
        grads, run = gradient_of(method, phi, tasks, 0, form="unroll")
        return *update(grads, state, phi), run.outer_loss.mean()

    phi, state, curve = method.phi, init(method.phi), []
    step(phi, state, episodes.draw("train", 0, NUM_TASKS))  # compiles
    seconds = 0.0
    for iteration in range(iterations):
        began = time.perf_counter()
        phi, state, _ = step(phi, state, episodes.draw("train", iteration, NUM_TASKS))
        seconds += time.perf_counter() - began
        if (iteration + 1) % measure_every == 0:
            found = evaluate(method, phi, episodes, steps=max(STEPS), num_tasks=TEST_TASKS, tasks_at_once=TEST_TASKS)
            errors = {str(k): round(found.means[k], 4) for k in STEPS}
            curve.append({"iterations": iteration + 1, "errors": errors})
            widths = {str(k): round(found.half_widths[k], 4) for k in STEPS}
            yield {"seed": seed, "iterations": iteration + 1, "seconds": round(seconds, 1)} | {
                **{"errors": errors, "half_widths": widths, "curve": list(curve)}
            }


def table(found: dict[str, Any]) -> str:
    shown = [k for k in STEPS if k]
    lines = [
        "| mean squared error | " + " | ".join(f"step {k}" for k in shown) + " | minutes a seed |",
        "| --- " * (2 + len(shown)) + "|",
    ]
    for name, runs in found["methods"].items():
        errors = [[run["errors"][str(k)] for run in runs] for k in shown]
        cells = [f"{statistics.mean(e):.2f} ({', '.join(f'{v:.2f}' for v in e)})" for e in errors]
        lines.append(f"| {name} | {' | '.join(cells)} | {statistics.mean(r['seconds'] for r in runs) / 60:.1f} |")
        lines.append(f"| published | {' | '.join(f'{PUBLISHED[name][k]:.2f}' for k in shown)} | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=70_000)
    parser.add_argument("--measure-every", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        from lfl.run.schema import environment

        torch.set_num_threads(asked.threads)
        methods: dict[str, list[Any]] = {name: [] for name in METHODS_SHOWN}
        for name in METHODS_SHOWN:
            for seed in range(asked.seeds):
                for run in trained(name, seed, asked.iterations, asked.measure_every):
                    print(name, seed, run["iterations"], run["seconds"], run["errors"], flush=True)
                    methods[name] = [*[r for r in methods[name] if r["seed"] != seed], run]
                    found = {"shots": SHOTS, "iterations": asked.iterations, "threads": asked.threads}
                    found |= {"test_tasks": TEST_TASKS, "test_points": TEST_POINTS}
                    found |= {**environment(torch.device("cpu")), "methods": {n: r for n, r in methods.items() if r}}
                    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    sys.exit(main())
