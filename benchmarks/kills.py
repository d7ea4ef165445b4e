"""Runs killed at random moments and resumed, against a run that nothing happens to.

    python benchmarks/kills.py                       # 30 runs
    python benchmarks/kills.py --runs 100 --seed 1

AdaLFL, logistic regression on the digits, with a checkpoint after every step, so that many a kill comes while one is
being written. Each run is killed with SIGKILL at a moment drawn from the length of a whole one, resumed, killed once
more, and resumed to its end. Writes `results/kills.json`: how many left byte for byte what the whole run left (all
files but `timing.jsonl`), in which phase they were killed, and how many kills left a half-written file behind.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "kills.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    import torch

    from lfl.run.environment import environment

    draw = random.Random(asked.seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lfl.run", "lfl.task", "lfl.training"])
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("warm-up", "whole"):
            whole = Path(scratch) / name
            began = time.perf_counter()
            first = context.Process(target=begin, args=(whole,))
            first.start()
            first.join()
            length = time.perf_counter() - began
        for i in range(asked.runs):
            folder = Path(scratch) / str(i)
            for k in range(3):
                there = (folder / "config.json").is_file()
                process = context.Process(target=go_on if there else begin, args=(folder,))
                process.start()
                if k < 2:
                    process.join(draw.uniform(0.0, length))
                    process.kill()
                process.join()
                if k < 2:
                    outcomes[moment(folder)] += 1
                if (folder / "result.json").is_file():
                    break
            outcomes["identical" if contents(folder) == contents(whole) else "different"] += 1
            print(i, dict(outcomes), flush=True)
    found = {"runs": asked.runs, "seed": asked.seed, **outcomes}
    RESULTS.write_text(json.dumps(found | environment(torch.device("cpu")), indent=1) + "\n")


def begin(folder: Path) -> None:
    """A run of some seconds."""
    import torch

    from lfl.run import execute
    from lfl.task import load_task
    from lfl.training import resolve

    torch.set_num_threads(1)
    if folder.exists():  # killed before there was anything to resume
        shutil.rmtree(folder)
    task = load_task("digits", folder)
    asked: Any = {"steps": 60, "offline_steps": 30, "batch_size": 32, "checkpoint_every": 1, "compile": "off"}
    execute(task, resolve(task.defaults, model="logistic", **asked), folder)


def go_on(folder: Path) -> None:
    """The run gone on with."""
    import torch

    from lfl.run import resume

    torch.set_num_threads(1)
    resume(folder)


def moment(folder: Path) -> str:
    """What a kill left."""
    if not (folder / "config.json").is_file():
        return "killed before the start"
    if (folder / "result.json").is_file():
        return "killed after the end"
    if any(folder.rglob(".*.partial")):
        return "killed while writing"
    steps = [path.name.split("-")[1] for path in folder.glob("checkpoints/*.safetensors")]
    done = max(map(int, steps), default=0)
    return "killed in offline steps" if done <= 30 else "killed in training"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run but the one that depends on the clock."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "timing.jsonl"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


if __name__ == "__main__":
    main()
