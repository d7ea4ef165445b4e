"""Resident memory of a long run: whether it grows.

    python benchmarks/resident_memory.py --data-dir DATA

AdaLFL, LeNet-5 on MNIST, 20,000 online steps after 100 offline ones, with everything that `lfl train` does beside them:
metrics, looks at the validation error, checkpoints. Resident memory of the process is read at every 1,000th step.
Writes `results/resident-memory.json`; Linux only.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "resident-memory.json"
STEPS, EVERY = 20_000, 1_000


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()

    import torch

    from lfl.device import keep_freed_memory
    from lfl.run import execute
    from lfl.run.environment import environment
    from lfl.task import load_task
    from lfl.training import Progress, resolve

    torch.set_num_threads(asked.threads)
    keep_freed_memory()
    task = load_task("mnist", asked.data_dir)
    settings = resolve(task.defaults, task="mnist", model="lenet5", method="adalfl", steps=STEPS, offline_steps=100)
    found: dict[int, float] = {}

    def watch(progress: Progress) -> None:
        if progress.phase.name == "train" and progress.step and progress.step % EVERY == 0:
            found[progress.step] = round(resident(), 1)
            print(progress.step, found[progress.step], flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        execute(task, settings, Path(scratch) / "run", watch)
    growth = found[STEPS] / found[EVERY] - 1.0
    content = {"megabytes": found, "growth": round(growth, 4)} | environment(task.device)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"growth after the first {EVERY} steps: {growth:.2%}")


if __name__ == "__main__":
    main()
