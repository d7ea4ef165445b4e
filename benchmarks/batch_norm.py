"""Batch norm under every method: evaluated with running statistics, and with those of the batch.

    python benchmarks/batch_norm.py FOLDER           # pictures in train/CLASS/ and test/CLASS/
    python benchmarks/batch_norm.py --table          # as a table, from the committed results

A small network with batch norm, 500 steps after 100 offline ones, seed 0. Code on `higher` carries no running
statistics and evaluates near chance. Writes `results/batch-norm.json` after each method and does not repeat what is
in it.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "batch-norm.json"
METHODS = ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr"]


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
    from safetensors.torch import load_file

    from lfl.randomness import generator
    from lfl.run import execute
    from lfl.run.environment import environment
    from lfl.task import load_task
    from lfl.training import build_functional, evaluate, resolve
    from lfl.training.build import ERRORS

    torch.set_num_threads(threads)
    task = load_task(f"{folder}/", folder)
    for method in methods:
        rows = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
        if any(row["method"] == method for row in rows):
            continue
        settings = resolve(
            task.defaults, task=task.name, model="batch_norm:network", method=method, steps=500, init_steps=100
        )
        with tempfile.TemporaryDirectory() as scratch:
            result = execute(task, settings, Path(scratch) / "run")
            theta, buffers = (load_file(result.folder / f"{name}.safetensors") for name in ("theta", "buffers"))
        _, apply_fn = build_functional(task, settings)
        order = torch.randperm(len(task.test.y), generator=generator(0, "order"))  # they come class by class
        with torch.no_grad():
            wrong = [
                apply_fn(theta, buffers, task.test.x[rows], training=True)[0].argmax(-1) != task.test.y[rows]
                for rows in order.split(500)
            ]
        row = {
            "method": method,
            "running_statistics": evaluate(apply_fn, theta, buffers, task.test, ERRORS[task.kind]),
            "batch_statistics": float(torch.cat(wrong).double().mean()),
        }
        RESULTS.write_text(json.dumps([*rows, row | environment(task.device)], indent=1) + "\n")
        print(row, flush=True)


def table() -> str:
    lines = ["| test error with | running statistics | the batch's |", "| --- | --- | --- |"]
    for row in json.loads(RESULTS.read_text()):
        lines.append(f"| {row['method']} | {row['running_statistics']:.4f} | {row['batch_statistics']:.4f} |")
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
