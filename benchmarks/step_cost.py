"""The cost of a step of AdaLFL: time and peak memory of every form, on five models.

    python benchmarks/step_cost.py logistic mlp lenet5 allcnnc resnet18
    python benchmarks/step_cost.py --device cuda resnet18
    python benchmarks/step_cost.py --summary         # the README's table, from the committed results
    python benchmarks/step_cost.py --tables          # those of docs/cost.md

Forms are timed in turns in one process, which keeps freed memory as `lfl train` does, so that all are timed under the
same conditions; peak memory is measured in a process for each form. Random data of the true shapes; a model's time is
bounded by --seconds plus its compilations. Writes `results/step-cost.json` (on a GPU `step-cost-cuda.json`) after each
model, and skips models that it already holds.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
NAMES = [
    "plain",
    "plain, compiled",
    "base",
    "base, compiled",
    "higher",
    "torchopt",
    "unroll",
    "unroll, compiled",
    "mixed",
    "mixed, compiled",
    "finite-difference",
    "finite-difference, compiled",
]
MODELS = ["logistic", "mlp", "lenet5", "allcnnc", "resnet18"]
LIMITS = {"plain": 3, "base": 3, "unroll": 8, "mixed": 9, "finite-difference": 7}
"""The fewest forward passes that each form needs, where a backward pass counts as two, and so does a tangent."""

LEAST_MB = 5.0
"""Megabytes that a plain step must add for the growth of the others to be divided by its own."""


def measure(models: list[str], device_name: str, threads: int, seconds: float) -> None:
    import torch
    from forms import FORMS, INPUTS, interleaved, setup, summary
    from memory import measure as peak_memory

    from lfl.device import keep_freed_memory
    from lfl.run.schema import environment

    keep_freed_memory()
    torch.set_num_threads(threads)
    device = torch.device(device_name)
    torch.backends.cudnn.allow_tf32 = False
    path = RESULTS / ("step-cost.json" if device.type == "cpu" else f"step-cost-{device.type}.json")
    for model in models:
        if any(row["model"] == model for row in read(path)):
            continue
        s = setup(model, device)
        batch, valid = s.batch(), s.batch()
        calls = {name: partial(FORMS[name](setup(model, device)), [batch], valid) for name in NAMES}
        times = interleaved(calls, device, seconds)
        row: dict[str, Any] = {"model": model, "batch_size": INPUTS[model][1], **environment(device)}
        row["forms"] = {name: summary(times[name]) for name in NAMES}
        for name in NAMES:
            row["forms"][name] |= peak_memory(model, name, threads=threads, device=device_name)
        rows = sorted([*read(path), row], key=lambda row: MODELS.index(row["model"]))
        path.write_text(json.dumps(rows, indent=1) + "\n")
        print(table(row), flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text()) if path.is_file() else []


def table(row: dict[str, Any]) -> str:
    """Returns the table of one model as Markdown."""
    forms = row["forms"]
    plain = forms["plain"]
    lines = [
        f"| {row['model']}, batch {row['batch_size']} | ms | over plain | over its limit | "
        "peak memory over plain | its growth over plain |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, form in forms.items():
        ratio = form["median_ms"] / plain["median_ms"]
        limit = LIMITS.get(name.removesuffix(", compiled"))
        over = f"{3 * ratio / limit:.2f}" if limit else ""
        memory = [
            f"{form[kind] / plain[kind]:.2f}" if plain[kind] > LEAST_MB else "" for kind in ("peak_mb", "growth_mb")
        ]
        lines.append(f"| {name} | {form['median_ms']:.3g} | {ratio:.2f} | {over} | {' | '.join(memory)} |")
    return "\n".join(lines) + "\n"


def summary_table(rows: list[dict[str, Any]]) -> str:
    """Returns the time of every form over that of a plain step, a column for each model."""
    models = [f"{row['model']}, batch {row['batch_size']}" for row in rows]
    lines = [f"| time over a plain step's | {' | '.join(models)} |", "|" + " --- |" * (1 + len(models))]
    plain = [row["forms"]["plain"]["median_ms"] for row in rows]
    lines.append(f"| plain, ms | {' | '.join(f'{ms:.3g}' for ms in plain)} |")
    for name in NAMES[1:]:
        ratios = [row["forms"][name]["median_ms"] / ms for row, ms in zip(rows, plain, strict=True)]
        lines.append(f"| {name} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=120.0, help="time spent on each model")
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--summary", action="store_true")
    asked = parser.parse_args()
    if asked.summary:
        print(summary_table(read(RESULTS / "step-cost.json")))
        return
    if asked.tables:
        print("\n".join(table(row) for row in read(RESULTS / "step-cost.json")), end="")
        return
    sys.path.insert(0, str(Path(__file__).parent))
    measure(asked.models or MODELS, asked.device, asked.threads, asked.seconds)


if __name__ == "__main__":
    main()
