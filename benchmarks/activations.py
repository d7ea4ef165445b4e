"""Which activation the loss network needs: the smooth leaky ReLU's slope and sharpness, and other activations.

    python benchmarks/activations.py            # 72 runs, 15 minutes on one free core
    python benchmarks/activations.py --table    # the table of docs/ablations.md, from the committed results

The paper asks for this study and leaves it open. Runs of `adalfl` as published but shorter: 500 offline and 1,500
online steps at the rate 1e-3 in both; digits and diabetes, two hidden
layers of 100 units. The online rate is the offline one since 1,500 steps at the published 1e-5 hardly move phi. Seeds 0
to 2; nothing is chosen by these results. Writes `results/activations.json` after each row, and skips rows that it
already holds.
"""

import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

from command_line import parse
from rows import add_row, read_rows, refuse_interrupted, spread
from seeds import run_seeds

RESULTS = Path(__file__).parent / "results" / "activations.json"
SEEDS = [0, 1, 2]
SHAPES = [(0.01, 10), (0, 10), (0.1, 10), (0.5, 10), (0.01, 1), (0.01, 3), (0.01, 30)]
"""Slope and sharpness: the published ones, then each alone."""
CASES = [("digits", "mlp-100"), ("diabetes", "mlp-100")]
SMOOTH = [f"slrelu {slope:g} {sharpness:g}" for slope, sharpness in SHAPES]
NAMES = [*SMOOTH, "relu", "softplus", "tanh", "gelu", "silu"]
ERRORS = ("test_error", "valid_error")
STEPS: dict[str, Any] = {"steps": 1500, "offline_steps": 500, "outer_lr": 1e-3, "offline_lr": 1e-3}
OUTPUT: dict[str, Any] = {"compile": "off", "log_every": 500, "eval_every": 500}


def activation_of(name: str) -> Any:
    """The activation of a row: slrelu with its slope and sharpness, a name of lfl's, or one of torch's."""
    import torch.nn.functional as F

    from lfl.loss.network import ACTIVATIONS, slrelu

    if name.startswith("slrelu "):
        slope, sharpness = map(float, name.split()[1:])
        return partial(slrelu, slope=slope, sharpness=sharpness)
    return ACTIVATIONS.get(name) or getattr(F, name)


def measure(task: str, model: str, name: str, data: Path | None) -> dict[str, Any]:
    from lfl.loss import REPRESENTATIONS
    from lfl.run import data_folder
    from lfl.task import load_task
    from lfl.training import resolve

    given = load_task(task, data_folder(task, data))
    settings = resolve(given.defaults, task=task, model=model, method="adalfl", **STEPS, **OUTPUT)
    drawn = partial(REPRESENTATIONS["network"], activation=activation_of(name))
    with patch.dict(REPRESENTATIONS, {"network": drawn}), tempfile.TemporaryDirectory() as scratch:
        results = run_seeds(given, settings, SEEDS, Path(scratch))
    refuse_interrupted(*results)
    return {kind: [result and round(getattr(result, kind), 6) for result in results] for kind in ERRORS}


def table() -> str:
    """Returns the committed results as Markdown."""
    rows = {(row["task"], row["activation"]): row["test_error"] for row in read_rows(RESULTS)}
    lines = ["| activation | " + " | ".join(f"{task}, {model}" for task, model in CASES) + " |", "|---|---|---|"]
    for name in NAMES:
        found = [rows[task, name] for task, _ in CASES if (task, name) in rows]
        lines.append(f"| {name} | {' | '.join(map(spread, found))} |")
    return "\n".join(lines)


def main() -> None:
    asked = parse(__doc__, table, data=True)
    if asked is None:
        return

    import torch

    for name, (task, model) in product(NAMES, CASES):
        key = {"task": task, "model": model, "activation": name, "seeds": SEEDS, **STEPS}
        row = add_row(RESULTS, key, partial(measure, task, model, name, asked.data_dir), torch.device("cpu"))
        print(row or f"{task} {name}: there already", flush=True)


if __name__ == "__main__":
    main()
