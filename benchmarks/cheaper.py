"""Cheaper than an exact gradient at every step: phi learned at every k-th step, or from part of each batch.

    python benchmarks/cheaper.py meta_every=10 meta_every=100 meta_batch_size=32 meta_every=10,meta_batch_size=32
    python benchmarks/cheaper.py --table             # the table of docs/cost.md, from the committed results

MNIST, LeNet-5, AdaLFL at the full 2,500 + 25,000 steps, seeds 0 to 2; `full` is the method as published and
`baseline` cross-entropy. Writes `results/cheaper.json` after each run, and skips runs that it already holds. Errors
are from these runs, which may share the machine; times are from `scaling.py meta_every`, which must not.
"""

import argparse
import itertools
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from rows import refuse_interrupted

RESULTS = Path(__file__).parent / "results"
CHEAPER = RESULTS / "cheaper.json"
VARIANTS = [
    "baseline",
    "full",
    "meta_every=10",
    "meta_every=100",
    "meta_every=1000",
    "meta_batch_size=32",
    "meta_every=10,meta_batch_size=32",
]


def options(variant: str) -> dict[str, Any]:
    if variant == "baseline":
        return {"method": "baseline"}
    pairs = [] if variant == "full" else [option.split("=") for option in variant.split(",")]
    return {"method": "adalfl", **{name: int(value) for name, value in pairs}}


def measure(variants: list[str], seeds: list[int], data_dir: Path) -> None:
    import torch

    from lfl.run import execute
    from lfl.run.schema import environment
    from lfl.task import load_task
    from lfl.training import resolve

    torch.set_num_threads(1)
    task = load_task("mnist", data_dir)
    for seed, variant in itertools.product(seeds, variants):
        if any((run["variant"], run["seed"]) == (variant, seed) for run in read()):
            continue
        settings = resolve(task.defaults, task="mnist", model="lenet5", seed=seed, **options(variant))
        with tempfile.TemporaryDirectory() as scratch:
            result = execute(task, settings, Path(scratch) / "run")
        refuse_interrupted(result)
        run = {"variant": variant, "seed": seed, "test_error": result.test_error, "valid_error": result.valid_error}
        runs = [*read(), run | {"seconds": round(result.seconds, 1)} | environment(task.device)]
        runs.sort(key=lambda run: (VARIANTS.index(run["variant"]), run["seed"]))
        CHEAPER.write_text(json.dumps(runs, indent=1) + "\n")
        print(f"{variant} seed {seed}: test {result.test_error:.4f}", flush=True)


def read() -> list[dict[str, Any]]:
    return json.loads(CHEAPER.read_text()) if CHEAPER.is_file() else []


def table() -> str:
    """Returns the errors of the runs, and their time over a baseline run's, from the times of the compiled programs."""
    rows = json.loads((RESULTS / "scaling.json").read_text())["meta_every"]["rows"]
    ms = {row["program"]: row["median_ms"] for row in rows}
    lines = [
        "| LeNet-5 on MNIST | test error | seeds | time over a plain eager run's |",
        "| --- | --- | --- | --- |",
    ]
    for variant in VARIANTS:
        errors = [run["test_error"] for run in read() if run["variant"] == variant]
        if not errors:
            continue
        spread = f" ± {statistics.stdev(errors):.4f}" if len(errors) > 1 else ""
        lines.append(
            f"| {variant} | {statistics.mean(errors):.4f}{spread} | {len(errors)} | {ratio(variant, ms):.2f} |"
        )
    return "\n".join(lines)


def ratio(variant: str, ms: dict[str, float]) -> float:
    """Returns the time of 2,500 offline and 25,000 online steps over that of 25,000 plain ones."""
    asked = options(variant)
    if asked["method"] == "baseline":
        return ms["base"] / ms["plain"]
    part = asked.get("meta_batch_size")
    meta = ms["meta" if part is None else f"meta, {part} examples"]
    k = asked.get("meta_every", 1)
    online = (meta + (k - 1) * ms["base"]) / k
    return (2_500 * meta + 25_000 * online) / (25_000 * ms["plain"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="; ".join(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table())
    else:
        measure(asked.variants or VARIANTS, asked.seeds, asked.data_dir)


if __name__ == "__main__":
    main()
