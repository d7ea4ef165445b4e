"""Offline steps against online ones: where the loss should be learned, before training or while it goes on.

    python benchmarks/online_offline.py            # 66 runs, 8 minutes on one free core
    python benchmarks/online_offline.py --table    # the tables of docs/ablations.md, from the committed results

The loss is learned in 0 to 2,500 offline steps at the published rate 1e-3, and then held (`ml3`), or learned on in
1,500 online steps at the published rate 1e-5, or at 1e-3 (`adalfl`). Digits, two hidden layers of 100 units, and the
defaults of digits otherwise; the same with 40 % wrong labels in train, where valid is clean. `ml3` without
offline steps is not there: it has no loss. Writes `results/online-offline.json` after each row, and skips rows that it
already holds.
"""

import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from command_line import parse
from rows import add_row, read_rows, refuse_interrupted, spread
from seeds import run_seeds

RESULTS = Path(__file__).parent / "results" / "online-offline.json"
SEEDS = [0, 1, 2]
OFFLINE = [0, 100, 500, 2500]
ONLINE = {"none": ("ml3", {}), "1e-5": ("adalfl", {"outer_lr": 1e-5}), "1e-3": ("adalfl", {"outer_lr": 1e-3})}
NOISE = [None, "symmetric:0.4"]
STEPS: dict[str, Any] = {"steps": 1500, "compile": "off", "log_every": 500, "eval_every": 500}


def measure(offline: int, online: str, noise: str | None) -> dict[str, Any]:
    from lfl.task import load_task
    from lfl.training import resolve

    task = load_task("digits", Path())
    method, asked = ONLINE[online]
    asked = {**STEPS, **asked, "method": method, "offline_steps": offline, "label_noise": noise}
    with tempfile.TemporaryDirectory() as scratch:
        results = run_seeds(task, resolve(task.defaults, task="digits", model="mlp-100", **asked), SEEDS, Path(scratch))
    refuse_interrupted(*results)
    return {"test_error": [result and round(result.test_error, 6) for result in results]}


def tables() -> str:
    """Returns the committed results as Markdown, a table for clean and one for wrong labels."""
    rows = {(row["offline_steps"], row["online_rate"], row["label_noise"]): row for row in read_rows(RESULTS)}
    blocks = []
    for noise in NOISE:
        lines = [f"| {noise or 'clean labels'}: online steps | " + " | ".join(f"{n:,} offline" for n in OFFLINE) + " |"]
        lines.append("|---" * (1 + len(OFFLINE)) + "|")
        for online in ONLINE:
            found = [rows.get((offline, online, noise)) for offline in OFFLINE]
            cells = ["" if row is None else spread(row["test_error"]) or "diverged" for row in found]
            words = "none" if online == "none" else f"1,500 at {online}"
            lines.append(f"| {words} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def main() -> None:
    if parse(__doc__, tables) is None:
        return

    import torch

    for noise, online, offline in product(NOISE, ONLINE, OFFLINE):
        if (online, offline) == ("none", 0):
            continue
        key = {"offline_steps": offline, "online_rate": online, "label_noise": noise, "seeds": SEEDS}
        row = add_row(RESULTS, key, partial(measure, offline, online, noise), torch.device("cpu"))
        print(row or f"{key}: there already", flush=True)


if __name__ == "__main__":
    main()
