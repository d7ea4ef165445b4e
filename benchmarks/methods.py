"""Compare methods on one task and model over several seeds; same theta_0 and batches for each seed.

    python benchmarks/methods.py --task digits --model mlp --seeds 0 1 2 3 4
    python benchmarks/methods.py --add runs/*        # finished runs of `lfl train`
    python benchmarks/methods.py --tables            # the README's tables, from the committed results

Writes `results/methods-TASK-MODEL.json` after each run and does not repeat what is in it: error on the test and
the validation split, seconds, every setting, hardware and versions. Seconds are of whole runs that may have had
company on the machine: good for an order of magnitude, not for comparing methods.
"""

import argparse
import csv
import itertools
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
METHODS = ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr"]
PAPER = Path(__file__).parent.parent / "lfl" / "report" / "paper" / "table1.csv"


def measure(task_name: str, model: str, methods: list[str], seeds: list[int], data_dir: Path, threads: int) -> None:
    import torch

    from lfl.run import execute
    from lfl.task import load_task
    from lfl.training import resolve

    torch.set_num_threads(threads)
    task = load_task(task_name, data_dir)
    path = RESULTS / f"methods-{task_name}-{model}.json"
    if task.kind == "regression" and not path.is_file():
        content = {"task": task_name, "model": model, "ridge": ridge(task), "runs": []}
        path.write_text(json.dumps(content, indent=1) + "\n")
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
    content = json.loads(path.read_text()) if path.is_file() else {"task": config["task"], "model": config["model"]}
    path.write_text(json.dumps(content | {"runs": runs}, indent=1) + "\n")
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
    published = paper(content["task"], content["model"])
    lines = [
        f"| {content['task']}, {content['model']} | test error | less the baseline's, by seed | seeds | the paper's |",
        "| --- | --- | --- | --- | --- |",
    ]
    if "ridge" in content:
        lines.append(f"| ridge regression | {content['ridge']:.4f} |  |  |  |")
    for method, by_seed in errors.items():
        if not by_seed:
            continue
        shared = [seed for seed in by_seed if seed in errors["baseline"]]
        paired = [by_seed[seed] - errors["baseline"][seed] for seed in shared]
        difference = "" if method == "baseline" or not paired else spread(paired, signed=True)
        cells = [method, spread(list(by_seed.values())), difference, str(len(by_seed)), published.get(method, "")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def paper(task: str, model: str) -> dict[str, str]:
    """What the paper's Table 1 has for a row, by method."""
    with PAPER.open() as file:
        rows = [row for row in csv.DictReader(file) if (row["task"], row["model"]) == (task, model)]
    return {row["method"]: f"{float(row['mean']):.4f} ± {float(row['std']):.4f}" for row in rows}


def ridge(task: Any) -> float:
    """Test error of ridge regression on the same rows and scales, its penalty chosen on the validation split."""
    import numpy as np
    from sklearn.linear_model import Ridge

    def error(model: Any, split: Any) -> float:
        return float(np.mean((model.predict(split.x.numpy()) - split.y.numpy().ravel()) ** 2))

    models = [
        Ridge(penalty).fit(task.train.x.numpy(), task.train.y.numpy().ravel()) for penalty in np.logspace(-3, 4, 15)
    ]
    return error(min(models, key=lambda model: error(model, task.valid)), task.test)


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
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS[:4])
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
