"""A learned loss of 10, 100 and 1,000 classes: what it learns as published, and with the rules for many classes.

    python benchmarks/many_classes.py --data clusters-100 --variants baseline published sum default --seeds 100 101
    python benchmarks/many_classes.py --data omniglot-100 --omniglot DIR --rates 0.03 0.1
    python benchmarks/many_classes.py --table        # the tables of docs/own-loss.md, from the committed results

`clusters-C`: C Gaussian clusters about normal centres in 64 dimensions, 20,000 train and 5,000 test points, so wide
that the best classifier errs too (its error is in the results). `omniglot-C`: the first C characters of Omniglot's
background set, 28x28 pixels, 16 drawings of each for training and 4 for testing, from a folder `omniglot-py` below DIR
as torchvision unpacks it. A tenth of train is held out as valid. Model: mlp-100; every variant at every rate of theta.

`baseline` is cross-entropy, `published` AdaLFL without the rules for many classes, `default` as `lfl.loss_network` is
now; `eps` is `published` with an epsilon of 1e-16 in phi's Adam, and `CANDIDATES` are the rules that were tried. The
choice was made by validation error on the seed 100; the seeds from 0 on are those to report. Writes
`results/many-classes.json` after each row and does not repeat what is in it.
"""

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rows import add_row, refuse_interrupted

RESULTS = Path(__file__).parent / "results" / "many-classes.json"
DIMENSIONS, WIDTH = 64, 2.0
TRAIN, TEST = 20_000, 5_000
DRAWN_FOR_TRAINING = 16


def power(y: Any, f: Any, num_classes: int) -> Any:
    """1/10 at even chances, for any number of classes."""
    return f.clamp(min=1e-30) ** (math.log(10) / math.log(num_classes))


CANDIDATES: dict[str, tuple[Callable[[Any, Any, int], Any], Callable[[Any, int], Any]]] = {
    "sum": (lambda y, f, c: f, lambda y, c: 1 / 10),
    "square": (lambda y, f, c: f, lambda y, c: c / 100),
    "gain": (lambda y, f, c: f * c / 10, lambda y, c: 1 / 10),
    "power": (power, lambda y, c: 1 / c),
    "power, sum": (power, lambda y, c: 1 / 10),
    "power, others as nine": (power, lambda y, c: (y + (1 - y) * 9 / (c - 1)) / 10),
    "power of the true class, sum": (lambda y, f, c: power(y, f, c) * y + f * (1 - y), lambda y, c: 1 / 10),
}
"""What l_phi sees of the probability f of an output with the target y, and the factor on l_phi, of C classes."""


def clusters(num_classes: int) -> tuple[Any, float]:
    """The task, and the error of the best classifier: the nearest centre."""
    import numpy as np

    from lfl.task import task_from_arrays

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(num_classes, DIMENSIONS))

    def draw(count: int) -> tuple[Any, Any]:
        ids = np.arange(count) % num_classes
        return (centres[ids] + WIDTH * rng.normal(size=(count, DIMENSIONS))).astype(np.float32), ids

    train, test = draw(TRAIN), draw(TEST)
    distances = (centres**2).sum(1) - 2 * test[0] @ centres.T
    best = float((distances.argmin(1) != test[1]).mean())
    return task_from_arrays(*train, *test, name=f"clusters-{num_classes}", kind="classification"), best


def omniglot(num_classes: int, root: Path) -> tuple[Any, None]:
    import numpy as np
    from PIL import Image

    from lfl.task import task_from_arrays

    characters = sorted((root / "omniglot-py" / "images_background").glob("*/character*"))[:num_classes]
    if len(characters) < num_classes:
        raise SystemExit(f"{root} has {len(characters)} background characters, but {num_classes} were asked for.")

    def read(file: Path) -> Any:
        grey = Image.open(file).convert("L").resize((28, 28), Image.Resampling.BOX)
        return 1.0 - np.asarray(grey, np.float32) / 255.0

    x = np.stack([[read(file) for file in sorted(one.glob("*.png"))] for one in characters])
    y = np.broadcast_to(np.arange(num_classes)[:, None], x.shape[:2])
    parts = np.s_[:, :DRAWN_FOR_TRAINING], np.s_[:, DRAWN_FOR_TRAINING:]
    flat = [a[part].reshape(-1, *a.shape[2:]) for part in parts for a in (x.reshape(*x.shape[:2], -1), y)]
    return task_from_arrays(*flat, name=f"omniglot-{num_classes}", kind="classification"), None


def measure(task: Any, variant: str, rate: float, seeds: list[int], asked: Any) -> dict[str, Any]:
    from lfl.loss import REPRESENTATIONS
    from lfl.optimiser import adam
    from lfl.run import execute
    from lfl.training import build, resolve

    method = "baseline" if variant == "baseline" else "adalfl"
    settings = resolve(
        task.defaults, task=task.name, model="mlp-100", method=method, batch_size=asked.batch_size, inner_lr=rate,
        steps=asked.steps, offline_steps=asked.offline_steps, log_every=1, eval_every=asked.steps,
    )  # fmt: skip
    network = REPRESENTATIONS["network"]
    drawn = {} if variant in {"baseline", "default"} else {"network": changed(network, variant, task.num_outputs)}
    with (
        patch.dict(REPRESENTATIONS, drawn),
        patch.object(build, "adam", partial(adam, eps=1e-16) if variant == "eps" else adam),
        tempfile.TemporaryDirectory() as scratch,
    ):
        results = [one(task, replace(settings, seed=seed), Path(scratch) / f"seed-{seed}", execute) for seed in seeds]
    refuse_interrupted(*(result for result, _, _ in results))
    row: dict[str, Any] = {
        "steps": asked.steps,
        "offline_steps": asked.offline_steps,
        "batch_size": asked.batch_size,
        "valid_error": [result and result.valid_error for result, _, _ in results],
        "test_error": [result and result.test_error for result, _, _ in results],
    }
    if method == "adalfl":
        row["first_phi_gradient"] = [first for _, first, _ in results]
        row["phi_moved"] = [moved for _, _, moved in results]
    return row


def changed(network: Callable[..., Any], variant: str, num_classes: int) -> Callable[..., Any]:
    """A representation without the rules for many classes, or with those of a candidate."""

    def draw(kind: Any, **options: Any) -> Any:
        phi, loss_fn = network(kind, **options)
        if variant not in CANDIDATES:
            return phi, replace(loss_fn, many_classes=False)
        seen, weight = CANDIDATES[variant]

        def pointwise(phi: Any, y: Any, f: Any) -> Any:
            return weight(y, num_classes) * loss_fn.pointwise(phi, y, seen(y, f, num_classes))

        return phi, replace(loss_fn, pointwise=pointwise, reduction="sum", many_classes=False)

    return draw


def one(task: Any, settings: Any, folder: Path, execute: Callable[..., Any]) -> tuple[Any, float | None, float | None]:
    """Result, norm of phi's first gradient, and how far phi moved over its norm; no result where the run diverged."""
    from safetensors.torch import load_file

    from lfl.errors import Diverged
    from lfl.training import learned

    try:
        result = execute(task, settings, folder)
    except Diverged:
        return None, None, None
    if settings.method == "baseline":
        return result, None, None
    first = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])["phi_grad_norm"]
    start, end = learned(task, settings, settings.seed).phi_0, load_file(folder / "phi.safetensors")
    assert start is not None
    moved = sum(float((end[name] - start[name]).square().sum()) for name in start) ** 0.5
    return result, first, moved / sum(float(t.square().sum()) for t in start.values()) ** 0.5


def tables() -> str:
    """The committed results as Markdown."""
    rows = json.loads(RESULTS.read_text())["rows"]
    lines = [
        "| data | loss | rate | seeds | phi's first gradient | phi moved | validation error | test error |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        phi = ["", ""]
        if known := [g for g in row.get("first_phi_gradient", []) if g is not None]:
            moves = [m for m in row["phi_moved"] if m is not None]
            phi = [f"{statistics.median(known):.0e}", f"{statistics.median(moves):.2g}"]
        seeds = f"{row['seeds'][0]} to {row['seeds'][-1]}" if len(row["seeds"]) > 1 else str(row["seeds"][0])
        cells = [row["data"], f"`{row['variant']}`", f"{row['rate']:g}", seeds, *phi]
        lines.append(f"| {' | '.join([*cells, spread(row['valid_error']), spread(row['test_error'])])} |")
    return "\n".join(lines)


def spread(values: list[float | None]) -> str:
    """Mean and deviation of the seeds that did not diverge."""
    ended = [value for value in values if value is not None]
    if not ended:
        return "diverged"
    mean = f"{statistics.mean(ended):.3f}"
    return f"{mean} ± {statistics.stdev(ended):.3f}" if len(ended) > 1 else mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="clusters-100", help="clusters-C or omniglot-C")
    parser.add_argument("--omniglot", type=Path, help="the folder above omniglot-py")
    parser.add_argument("--variants", nargs="+", default=["baseline", "published", "default"])
    parser.add_argument("--rates", nargs="+", type=float, default=[0.03])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--offline-steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--table", action="store_true", help="print the Markdown table and leave")
    asked = parser.parse_args()
    if asked.table:
        print(tables())
        return

    import torch

    from lfl.device import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()
    name, _, count = asked.data.partition("-")
    task, best = clusters(int(count)) if name == "clusters" else omniglot(int(count), asked.omniglot)
    for variant in asked.variants:
        for rate in asked.rates:
            key = {"data": asked.data, "variant": variant, "rate": rate, "seeds": asked.seeds}
            make = partial(measure, task, variant, rate, asked.seeds, asked)
            facts = {} if best is None else {"best_possible_test_error": best}
            if row := add_row(RESULTS, key, lambda make=make, facts=facts: make() | facts, task.device):
                print(row, flush=True)


if __name__ == "__main__":
    main()
