"""Batch norm under every method: evaluated with running statistics, and with those of the batch.

    python benchmarks/batch_norm.py FOLDER           # pictures in train/CLASS/ and test/CLASS/
    python benchmarks/batch_norm.py --table          # as a table, from the committed results

A small network with batch norm, 500 steps after 100 offline ones, seed 0. Code on `higher` carries no running
statistics and evaluates near chance. Running statistics lag behind weights that move fast, so a single look depends
on the last few batches: there are ten, over the last hundred steps, on 4,000 shuffled test examples. Writes
`results/batch-norm.json` after each method and does not repeat what is in it.
"""

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import Any

RESULTS = Path(__file__).parent / "results" / "batch-norm.json"
METHODS = ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr"]
STEPS, LAST, EXAMPLES = 500, 100, 4000


def network(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    """Three convolutions with batch norm, and the mean over all positions."""
    from torch import nn

    layers: list[nn.Module] = []
    channels = input_shape[0]
    for width in (16, 32, 64):
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_outputs))


def measure(folder: Path, methods: list[str], threads: int) -> None:
    import torch

    from lfl.method import plan
    from lfl.randomness import generator
    from lfl.run.environment import environment
    from lfl.task import load_task
    from lfl.training import build_functional, build_problem, resolve, train

    torch.set_num_threads(threads)
    task = load_task(f"{folder}/", folder)
    order = torch.randperm(len(task.test.y), generator=generator(0, "order"))[:EXAMPLES]  # they come class by class
    x, y = task.test.x[order], task.test.y[order]
    for method in methods:
        rows = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
        if any(row["method"] == method for row in rows):
            continue
        settings = resolve(
            task.defaults, task=task.name, model="batch_norm:network", method=method, steps=STEPS, offline_steps=100
        )
        _, apply_fn = build_functional(task, settings)

        @torch.no_grad()
        def error(state: Any, training: bool, apply_fn: Any = apply_fn) -> float:
            wrong = [
                apply_fn(state.theta, state.carry.buffers, part, training=training)[0].argmax(-1) != labels
                for part, labels in zip(x.split(500), y.split(500), strict=True)
            ]
            return float(torch.cat(wrong).double().mean())

        never = settings.steps + 1
        steps = train(
            plan(method, build_problem(task, settings)), look=lambda *_: [{}], log_every=never, eval_every=never
        )
        looks = [
            [error(progress.state, training) for training in (False, True)]
            for progress in steps
            if progress.phase.name == "train" and progress.step > STEPS - LAST and progress.step % 10 == 0
        ]
        running, batch = zip(*looks, strict=True)
        row = {"method": method, "running_statistics": running, "batch_statistics": batch}
        RESULTS.write_text(json.dumps([*rows, row | environment(task.device)], indent=1) + "\n")
        print(row, flush=True)


def table() -> str:
    lines = [
        "| test error | running statistics | the batch's | difference | greatest difference of one look |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in json.loads(RESULTS.read_text()):
        gaps = [a - b for a, b in zip(row["running_statistics"], row["batch_statistics"], strict=True)]
        means = " | ".join(f"{fmean(row[name]):.4f}" for name in ("running_statistics", "batch_statistics"))
        lines.append(f"| {row['method']} | {means} | {fmean(gaps):+.4f} | {max(gaps, key=abs):+.4f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table())
    elif asked.folder is None:
        parser.error("name a folder of pictures")
    else:
        measure(asked.folder, asked.methods, asked.threads)


if __name__ == "__main__":
    main()
