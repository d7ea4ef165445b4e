"""MAML and its kin on real Omniglot by the published protocol, as far as the time goes.

    python benchmarks/omniglot.py --methods maml,anil --steps 2000          # 5 ways, 1 shot
    python benchmarks/omniglot.py --ways 20 --shots 1 --device cuda --steps 60000
    python benchmarks/omniglot.py --table                                   # the table of docs/fewshot.md

Everything but the number of steps is as published (Finn et al. 2017): 32 tasks a step (16 from 20 ways on), one inner
step at 0.4 (five at 0.1), Adam at 1e-3, batch norm of the batch at hand, 1,200 characters in four rotations to learn
from. Test: 600 fixed episodes of 423 other characters. Writes `results/omniglot.json` after each run: the learning
curve, and the accuracy after each number of steps on a task, with the half-width of its 95 % interval over episodes.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch

import lfl
from lfl.run.schema import environment

RESULTS = Path(__file__).parent / "results"
FILE = RESULTS / "omniglot.json"
PUBLISHED = {
    ("maml", 5, 1): "98.7",
    ("maml", 5, 5): "99.9",
    ("maml", 20, 1): "95.8",
    ("maml", 20, 5): "98.9",
    ("anil", 20, 1): "96.2",
    ("anil", 20, 5): "98.0",
}
"""Accuracies in per cent after 60,000 steps: Finn et al. (2017); Raghu et al. (2020)."""


def rows() -> list[dict[str, Any]]:
    return json.loads(FILE.read_text())["rows"] if FILE.is_file() else []  # type: ignore[no-any-return]


def run(method: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Trains a run, or reads it where it is complete, and returns its row."""
    size = {"ways": asked.ways, "shots": asked.shots, "steps": asked.steps, "seed": asked.seed}
    folder = asked.scratch / f"{method}-{asked.ways}-{asked.shots}-{asked.steps}-{asked.seed}"
    if not folder.exists():
        lfl.train("omniglot", method=method, **size, out=folder, data_dir=asked.data_dir, device=asked.device)
    found = lfl.load_run(folder, asked.data_dir, asked.device)
    ended = found.result
    assert ended is not None
    assert ended.completed
    times = [json.loads(line) for line in (folder / "timing.jsonl").read_text().splitlines()]
    curve = [(row["step"], row["valid_error"]) for row in found.metrics() if "valid_error" in row]
    return {
        **{"method": method, **size, "transductive": ended.transductive, "best_step": ended.best_step},
        "accuracy": [round(100 * (1 - error), 2) for error in ended.test.errors],
        "half_width": [round(100 * width, 2) for width in ended.test.intervals],
        "curve": [[step, round(100 * (1 - error), 2)] for step, error in curve],
        **{"seconds": round(times[-1]["seconds"]), "environment": environment(torch.device(asked.device))},
        "threads": torch.get_num_threads(),
    }


def table() -> None:
    """Prints the results as Markdown."""
    floor = {
        (row["ways"], row["shots"]): max(row[name]["accuracy"] for name in ("euclidean", "cosine", "correlation"))
        for row in json.loads((RESULTS / "fewshot-floor.json").read_text())["rows"]
        if row["split"] == "random"
    }
    print("| cell | method | steps | accuracy, % | published, 60,000 steps | pixels, % | batch norm | minutes |")
    print("|---" * 8 + "|")
    for row in rows():
        cell = row["ways"], row["shots"]
        published = PUBLISHED.get((row["method"], *cell), "")
        shown = f"{row['accuracy'][-1]:.1f} ± {row['half_width'][-1]:.1f}"
        seen = "transductive" if row["transductive"] else "inductive"
        cells = [f"{cell[0]}-way {cell[1]}-shot", row["method"], f"{row['steps']:,}", shown, published]
        print("|", " | ".join([*cells, f"{floor[cell]:.1f}", seen, f"{row['seconds'] / 60:.0f}"]), "|")
    for row in rows():
        points = dict(row["curve"])
        shown = [step for step in points if step in (100, 200, 500) or step % 1000 == 0 or step == row["steps"]]
        print(f"\n| {row['method']}, validation accuracy, % |", *(f"{step:,} steps |" for step in shown))
        print("|---" * (1 + len(shown)) + "|")
        print("|  |", *(f"{points[step]:.1f} |" for step in shown))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="maml,anil")
    parser.add_argument("--ways", type=int, default=5)
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data-dir", default=os.environ.get("LFL_DATA"))
    parser.add_argument("--scratch", type=Path, default=Path("runs/omniglot"))
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        table()
        return
    if asked.device == "cpu":
        torch.set_num_threads(1)
    for method in asked.methods.split(","):
        key = (method, asked.ways, asked.shots, asked.steps, asked.seed)
        others = [row for row in rows() if tuple(row[n] for n in ("method", "ways", "shots", "steps", "seed")) != key]
        FILE.write_text(json.dumps({"rows": [*others, run(method, asked)]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
