"""What the losses that come with lfl are good for, on tasks that they were not learned on.

    python benchmarks/shared_losses.py            # 18 runs, a few minutes on one free core
    python benchmarks/shared_losses.py --table    # the table of docs/sharing.md, from the committed results

Each loss is trained on from scratch, as `lfl train --method fixed --loss-from NAME`, beside the hand-made loss that it
starts from and another that is made for such data. All are trained alike, for 600 steps: SGD with momentum 0.9 at the
rate 0.01 of the runs that learned the losses, a cosine schedule, the gradient clipped to norm 1; no rate is searched
for. MNIST is its first 6,000 train images, of which a tenth is the clean split, which only measures. Writes
`results/shared_losses.csv` after each run, and skips runs that it already holds.
"""

import csv
import tempfile
from pathlib import Path
from typing import Any

from command_line import parse
from part_of_mnist import part_of_mnist

RESULTS = Path(__file__).parent / "results" / "shared_losses.csv"
FIELDS = ("loss", "task", "model", "damage", "seed", "test_error", "valid_error")
SEEDS = range(3)
STEPS = 600
ROWS = 6_000

CLASSES = ("robust-classification", "cross-entropy", "generalised-cross-entropy")
VALUES = ("one-sided-regression", "absolute-error", "huber")
CASES = [
    (CLASSES, "mnist", "mlp-256", "symmetric:0.4"),
    (VALUES, "diabetes", "mlp-100", "shift:0.2"),
]


def measure(loss: str, task: str, model: str, damage: str, seed: int, data: Path | None) -> dict[str, float]:
    import lfl

    asked: dict[str, Any] = {"seed": seed, "steps": STEPS, "batch_size": 64, "inner_lr": 0.01, "momentum": 0.9}
    asked |= {"clip_norm": 1.0, "schedule": "cosine", "eval_every": 500, "log_every": 500, "compile": "off"}
    if damage:
        asked["label_noise" if task == "mnist" else "outliers"] = damage
    shared = loss in (CLASSES[0], VALUES[0])
    asked |= {"method": "fixed", "loss_from": loss} if shared else {"method": "baseline", "loss": loss}
    with tempfile.TemporaryDirectory() as folder:
        given: Any = part_of_mnist(ROWS, data) if task == "mnist" else task
        run = lfl.train(given, model, out=f"{folder}/run", data_dir=data, device="cpu", **asked)
        result = run.result
    assert result is not None
    return {"test_error": round(result.test_error, 6), "valid_error": round(result.valid_error, 6)}


def read() -> list[dict[str, str]]:
    if not RESULTS.is_file():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def table() -> str:
    """Returns the committed results as Markdown: means and deviations over seeds."""
    from lfl.report.statistics import spread, spread_words

    rows = read()
    lines = ["| task | damage to train | shared loss | its base | made for such data |", "|---|---|---|---|---|"]
    for losses, task, model, damage in CASES:
        found = [[r for r in rows if (r["loss"], r["task"], r["model"], r["damage"]) == (loss, task, model, damage)]
                 for loss in losses]  # fmt: skip
        cells = [
            f"{loss}: {spread_words(spread([float(row['test_error']) for row in of_loss]))}"
            for loss, of_loss in zip(losses, found, strict=True)
        ]
        lines.append(f"| {task}, {model} | {damage or 'none'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    asked = parse(__doc__, table, data=True)
    if asked is None:
        return
    for seed in SEEDS:
        for losses, task, model, damage in CASES:
            for loss in losses:
                key = {"loss": loss, "task": task, "model": model, "damage": damage, "seed": str(seed)}
                rows = read()
                if any(key.items() <= row.items() for row in rows):
                    continue
                row = key | measure(loss, task, model, damage, seed, asked.data_dir)
                with RESULTS.open("w", newline="") as file:
                    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows([*rows, row])
                print(row, flush=True)


if __name__ == "__main__":
    main()
