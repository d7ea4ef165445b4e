"""How much a regression result depends on which rows are in the test split: the same methods on other splits.

    python benchmarks/splits.py --task diabetes --methods baseline ml3 meta-lr adalfl --splits 1 2 3 4 5
    python benchmarks/splits.py --methods "baseline inner_lr=0.005"
    python benchmarks/splits.py --table        # the table of docs/reproduction.md, from the committed results

Full runs with default settings and seed 0, on splits of the tasks' own sizes; split 0 is the one that `lfl` uses, the
others are made the same way from shuffled rows. Writes `results/splits.json` after each run, and skips runs that it
already holds: the mean squared error on the test split, null where the run diverged, and the mean target of each split.
"""

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from rows import add_row, present_names, refuse_interrupted

RESULTS = Path(__file__).parent / "results" / "splits.json"
SPLITS = ["train", "valid", "test"]


def split_anew(name: str, data_dir: Path, number: int) -> Any:
    """Returns the task on split `number`: its raw rows are shuffled before they go into the fixed splits."""
    import torch

    from lfl.data.splits import Split
    from lfl.task import DEFAULTS
    from lfl.task.california import read_california
    from lfl.task.crime import read_crime
    from lfl.task.diabetes import read_diabetes
    from lfl.task.task import build_task

    read = {"diabetes": lambda _: read_diabetes(), "crime": read_crime, "california": read_california}
    rows = read[name](data_dir)
    if number:
        order = torch.randperm(len(rows.y), generator=torch.Generator().manual_seed(number))
        rows = Split(rows.x[order], rows.y[order])
    return build_task(name, "regression", rows, None, 1, DEFAULTS[name])


def measure(task: Any, method: str) -> dict[str, Any]:
    from lfl.errors import Diverged
    from lfl.run import execute
    from lfl.study import parse_variant
    from lfl.training import resolve

    variant = parse_variant(method)
    settings = resolve(task.defaults, task=task.name, model="mlp", method=variant.method, **variant.asked)
    row = {"mean_target": {name: round(float(getattr(task, name).y.mean()), 6) for name in SPLITS}}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            result = execute(task, settings, Path(scratch) / "run")
        except Diverged:
            return row | {"test_error": None}
    refuse_interrupted(result)
    return row | {"test_error": result.test_error}


def table() -> str:
    """Returns the committed results as Markdown, a table for each task and a row for each split."""
    rows = json.loads(RESULTS.read_text())["rows"]
    blocks = []
    for task in dict.fromkeys(row["task"] for row in rows):
        of_task = [row for row in rows if row["task"] == task]
        methods = list(dict.fromkeys(row["method"] for row in of_task))
        heads = [task, *(f"mean target, {name}" for name in SPLITS), *map(present_names, methods)]
        lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
        for number in sorted({row["split"] for row in of_task}):
            errors = {row["method"]: row["test_error"] for row in of_task if row["split"] == number}
            means = next(row["mean_target"] for row in of_task if row["split"] == number)
            cells = [f"{means[name]:.3f}" for name in SPLITS] + [shown(errors, method) for method in methods]
            lines.append(f"| split {number} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def shown(errors: dict[str, float | None], method: str) -> str:
    if method not in errors:
        return ""
    error = errors[method]
    return "diverged" if error is None else f"{error:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="diabetes", choices=["crime", "diabetes", "california"])
    parser.add_argument("--methods", nargs="+", default=["baseline", "ml3", "meta-lr", "adalfl"])
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2, 3, 4, 5])
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="print the Markdown table and exit")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return

    import torch

    from lfl.device import keep_freed_memory

    torch.set_num_threads(asked.threads)
    keep_freed_memory()
    for number in asked.splits:
        task = split_anew(asked.task, asked.data_dir, number)
        for method in asked.methods:
            key = {"task": asked.task, "method": method, "split": number}
            if row := add_row(RESULTS, key, partial(measure, task, method), task.device):
                print(row, flush=True)


if __name__ == "__main__":
    main()
