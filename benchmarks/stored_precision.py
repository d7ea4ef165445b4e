"""The error of phi's gradient through K steps that are kept in bfloat16, beside that of float32.

    python benchmarks/stored_precision.py
    python benchmarks/stored_precision.py --table        # the table of docs/cost.md, from the committed results

An mlp (64-256-256-10) on the handwritten digits of scikit-learn, batch 64, the paper's network as the learned loss. The
error is |g - g64| / |g64| over all of phi, g64 by `mixed` in float64; the median and the largest of five measurements,
between which the model trains for 20 steps on cross-entropy. `difference` is `stored=torch.bfloat16`: theta is kept as
its difference from the first one. `itself` keeps theta itself in bfloat16, for comparison. Writes
`results/stored-precision.csv`.
"""

import argparse
import csv
import statistics
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "stored-precision.csv"
COLUMNS = ["optimiser", "horizon", "kept", "median", "largest", "measurements", "device", "torch", "threads"]
HORIZONS, MEASUREMENTS, BETWEEN = (2, 5, 10, 20), 5, 20
KEPT = ("float32", "difference", "itself")


def measure(device: Any) -> list[dict[str, Any]]:
    """Returns a row for each optimiser, horizon and way of keeping."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    import lfl
    from lfl.hypergradient import mixed_mode
    from lfl.trees import leaves, map_tree

    data = load_digits()
    x, y = torch.tensor(data.data, dtype=torch.float32) / 8 - 1, torch.tensor(data.target)
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)).to(device)
    phi, loss_fn = lfl.loss_network("classification", generator=g, gain=1.0)
    phi = map_tree(lambda t: t.to(device), phi)
    by_difference = mixed_mode.lower

    def itself(precision: torch.dtype, step: tuple[Any, ...], first: tuple[Any, ...]) -> tuple[Any, ...]:
        near = map_tree(lambda t: t.to(precision).to(t.dtype), step[0])
        kept = by_difference(precision, step, first)
        return (map_tree(torch.sub, near, first[0]), *kept[1:])  # added to the first theta it gives the rounded one

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(len(x), (64,), generator=g)
        return x[rows].to(device), y[rows].to(device)

    rows = []
    for name, inner in {"sgd, momentum": lfl.sgd(0.1, momentum=0.9), "adam": lfl.adam(1e-3)}.items():
        theta, _, apply_fn = lfl.functional(module)
        carry = lfl.fresh_carry(theta, None, apply_fn=apply_fn, inner=inner)
        common: dict[str, Any] = {"apply_fn": apply_fn, "task_loss": lfl.cross_entropy, "inner": inner}

        def gradient(trees: Any, kept: str) -> torch.Tensor:
            theta, phi, train, valid, carry = trees
            mixed_mode.lower = itself if kept == "itself" else by_difference
            form = partial(lfl.mixed, stored=None if kept == "float32" else torch.bfloat16)
            options = common | {"loss_fn": loss_fn, "hypergradient": form}  # noqa: B023
            grads, _ = lfl.phi_gradient(theta, phi, train, valid, carry, **options)
            return torch.cat([t.flatten().double() for t in leaves(grads)])

        errors: dict[tuple[int, str], list[float]] = {}
        for _ in range(MEASUREMENTS):
            for _ in range(BETWEEN):
                theta, carry, _ = lfl.base_step(theta, batch(), carry, loss=lfl.cross_entropy, **common)
            for horizon in HORIZONS:
                trees = theta, phi, [batch() for _ in range(horizon)], batch(), carry
                wide = map_tree(lambda t: t.double() if t.is_floating_point() else t, trees)
                truth = gradient(wide, "float32")
                for kept in KEPT:
                    found = gradient(trees, kept)
                    errors.setdefault((horizon, kept), []).append(float((found - truth).norm() / truth.norm()))
        for (horizon, kept), values in errors.items():
            rows.append(
                {
                    "optimiser": name,
                    "horizon": horizon,
                    "kept": kept,
                    "median": f"{statistics.median(values):.3e}",
                    "largest": f"{max(values):.3e}",
                    "measurements": len(values),
                    "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
                    "torch": torch.__version__,
                    "threads": torch.get_num_threads(),
                }
            )
            print(rows[-1], flush=True)
    return rows


def table() -> str:
    with RESULTS.open() as file:
        rows = list(csv.DictReader(file))
    horizons = list(dict.fromkeys(row["horizon"] for row in rows))
    heads = " | ".join(f"K = {horizon}" for horizon in horizons)
    lines = [f"| relative error, median (largest) | {heads} |", "| --- " * (1 + len(horizons)) + "|"]
    words = {
        "float32": "float32",
        "difference": "`stored=torch.bfloat16`",
        "itself": "theta itself in bfloat16",
    }
    for optimiser, kept in dict.fromkeys((row["optimiser"], row["kept"]) for row in rows):
        cells = [
            f"{float(row['median']):.1e} ({float(row['largest']):.1e})"
            for row in rows
            if (row["optimiser"], row["kept"]) == (optimiser, kept)
        ]
        lines.append(f"| {optimiser}; {words[kept]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return
    import torch

    torch.set_num_threads(asked.threads)
    rows = measure(torch.device(asked.device))
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
