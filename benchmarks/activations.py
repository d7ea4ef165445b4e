"""Which activation the loss network needs: the smooth leaky ReLU's slope and sharpness, and other activations.

    python benchmarks/activations.py            # 108 runs, 15 minutes on one free core
    python benchmarks/activations.py --table    # the tables of docs/ablations.md, from the committed results

The paper asks for this study and leaves it open. Runs of `adalfl` as published but shorter: 500 offline and 1,500
online steps at the rate 1e-3 in both; digits, a hidden layer of 100 units, and diabetes, logistic regression's form for
values. The online rate is the offline one since 1,500 steps at the published 1e-5 move phi by less than the table can
show. Seeds 0 to 2; nothing is chosen by these results. A run that diverges has no error, and is counted. Writes
`results/activations.json` after each row, and skips rows that it already holds.
"""

import argparse
import os
import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rows import add_row, read_rows, spread

RESULTS = Path(__file__).parent / "results" / "activations.json"
SEEDS = [0, 1, 2]
CASES = [("digits", "mlp-100"), ("diabetes", "mlp-100")]
SLOPES, SHARPNESSES = (0.0, 0.01, 0.1, 0.5), (1.0, 3.0, 10.0, 30.0)
OTHERS = ("relu", "softplus", "tanh", "gelu", "silu", "elu", "identity")
STEPS: dict[str, Any] = {"steps": 1500, "offline_steps": 500, "outer_lr": 1e-3, "offline_lr": 1e-3}


def activation_of(name: str) -> Any:
    """The activation of a row: slrelu with its slope and sharpness, a name of lfl's, or one of torch's."""
    import torch.nn.functional as F

    from lfl.loss.network import ACTIVATIONS, slrelu

    if name.startswith("slrelu "):
        slope, sharpness = map(float, name.split()[1:])
        return partial(slrelu, slope=slope, sharpness=sharpness)
    return ACTIVATIONS.get(name) or getattr(F, name)


def measure(task: str, model: str, name: str, data: Path | None) -> dict[str, Any]:
    import lfl
    from lfl.errors import Diverged
    from lfl.loss import REPRESENTATIONS

    drawn = partial(REPRESENTATIONS["network"], activation=activation_of(name))
    errors: dict[str, list[float | None]] = {"test_error": [], "valid_error": []}
    for seed in SEEDS:
        with patch.dict(REPRESENTATIONS, {"network": drawn}), tempfile.TemporaryDirectory() as folder:
            asked = {**STEPS, "seed": seed, "compile": "off", "device": "cpu", "log_every": 500, "eval_every": 500}
            try:
                result = lfl.train(task, model, "adalfl", out=f"{folder}/run", data_dir=data, **asked).result
            except Diverged:
                result = None
        for kind, found in errors.items():
            found.append(None if result is None else round(getattr(result, kind), 6))
    return errors


def tables() -> str:
    """Returns the committed results as Markdown: slope against sharpness, then the other activations."""
    rows = {(row["task"], row["activation"]): row["test_error"] for row in read_rows(RESULTS)}
    blocks = []
    for task, model in CASES:
        lines = [f"| {task}, {model}: slope | " + " | ".join(f"sharpness {b:g}" for b in SHARPNESSES) + " |"]
        lines.append("|---" * (1 + len(SHARPNESSES)) + "|")
        for slope in SLOPES:
            cells = [spread(rows.get((task, f"slrelu {slope:g} {b:g}"), [])) for b in SHARPNESSES]
            lines.append(f"| {slope:g} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    lines = ["| activation | " + " | ".join(f"{task}, {model}" for task, model in CASES) + " |", "|---|---|---|"]
    for name in ("slrelu 0.01 10", *OTHERS):
        cells = [spread(rows.get((task, name), [])) for task, _ in CASES]
        lines.append(f"| {name.replace('slrelu 0.01 10', 'slrelu, as published')} | {' | '.join(cells)} |")
    return "\n\n".join([*blocks, "\n".join(lines)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("LFL_DATA"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="print the Markdown tables and exit")
    asked = parser.parse_args()
    if asked.table:
        print(tables())
        return

    import torch

    torch.set_num_threads(asked.threads)
    names = [f"slrelu {slope:g} {sharpness:g}" for slope, sharpness in product(SLOPES, SHARPNESSES)]
    for name, (task, model) in product([*names, *OTHERS], CASES):
        key = {"task": task, "model": model, "activation": name, "seeds": SEEDS, **STEPS}
        row = add_row(RESULTS, key, partial(measure, task, model, name, asked.data_dir), torch.device("cpu"))
        print(row or f"{task} {name}: there already", flush=True)


if __name__ == "__main__":
    main()
