"""Compare methods on one task and model over several seeds; same theta_0 and batches for each seed.

    python benchmarks/methods.py --task digits --model mlp --seeds 0 1 2 3 4
    python benchmarks/methods.py --add runs/*        # finished runs of `lfl train`
    python benchmarks/methods.py --tables            # the README's tables, from the committed results

Writes `results/methods-TASK-MODEL.json` after each run and does not repeat what is in it: error on the test and
the validation split, seconds, every setting, hardware and versions. Seconds are of whole runs that may have had
company on the machine: good for an order of magnitude, not for comparing methods.
"""

import argparse
import itertools
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
METHODS = ["baseline", "ml3", "adalfl"]


def measure(task_name: str, model: str, methods: list[str], seeds: list[int], data_dir: Path, threads: int) -> None:
    import torch

    from lfl.run import execute
    from lfl.task import load_task
    from lfl.training import resolve

    torch.set_num_threads(threads)
    task = load_task(task_name, data_dir)
    path = RESULTS / f"methods-{task_name}-{model}.json"
    done = {(run["method"], run["seed"]) for run in read(path)}
    for seed, method in itertools.product(seeds, methods):
        if (method, seed) not in done:
            settings = resolve(task.defaults, task=task_name, model=model, method=method, seed=seed)
            with tempfile.TemporaryDirectory() as scratch:
                add(execute(task, settings, Path(scratch) / "run").folder)


def add(folder: Path) -> None:
    """Take a finished run into the results."""
    config, result = (json.loads((folder / name).read_text()) for name in ("config.json", "result.json"))
    seconds = json.loads((folder / "timing.jsonl").read_text().splitlines()[-1])["seconds"]
    if not result["completed"]:
        raise SystemExit(f"{folder} was interrupted; only whole runs count")
    path = RESULTS / f"methods-{config['task']}-{config['model']}.json"
    errors = {name: result[name] for name in ("test_error", "valid_error")}
    run = config | errors | {"seconds": seconds}
    runs = [*read(path), run]
    runs.sort(key=lambda run: (run["seed"], METHODS.index(run["method"])))
    path.write_text(json.dumps({"task": config["task"], "model": config["model"], "runs": runs}, indent=1) + "\n")
    print(f"{run['method']} seed {run['seed']}: test {run['test_error']:.4f}, {seconds:.0f} s", flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["runs"] if path.is_file() else []


def table(path: Path) -> str:
    """One result file as Markdown: mean and spread over seeds, and the difference to the baseline by seed."""
    content = json.loads(path.read_text())
    errors = {
        method: {run["seed"]: run["test_error"] for run in content["runs"] if run["method"] == method}
        for method in METHODS
    }
    lines = [
        f"| {content['task']}, {content['model']} | test error | less the baseline's, paired by seed | seeds |",
        "| --- | --- | --- | --- |",
    ]
    for method, by_seed in errors.items():
        if not by_seed:
            continue
        shared = [seed for seed in by_seed if seed in errors["baseline"]]
        paired = [by_seed[seed] - errors["baseline"][seed] for seed in shared]
        difference = "" if method == "baseline" or not paired else spread(paired, signed=True)
        lines.append(f"| {method} | {spread(list(by_seed.values()))} | {difference} | {len(by_seed)} |")
    return "\n".join(lines)


def spread(values: list[float], *, signed: bool = False) -> str:
    """Mean, and the sample standard deviation where there are several values."""
    mean = f"{statistics.mean(values):+.4f}" if signed else f"{statistics.mean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def tables() -> str:
    return "\n\n".join(table(path) for path in sorted(RESULTS.glob("methods-*.json")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="digits")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tables", action="store_true", help="print the Markdown tables and leave")
    parser.add_argument("--add", nargs="+", type=Path, help="run folders to take into the results")
    chosen = parser.parse_args()
    if chosen.tables:
        print(tables())
    elif chosen.add:
        for folder in chosen.add:
            add(folder)
    else:
        measure(chosen.task, chosen.model, chosen.methods, chosen.seeds, chosen.data_dir, chosen.threads)
