"""Choices that the paper leaves open about the learned loss, by validation error on seeds that are not reported.

    python benchmarks/loss_choices.py --model logistic --methods ml3 adalfl --variants default gain=1 reduction=sum
    python benchmarks/loss_choices.py --table        # the tables of docs/reproduction.md, from the committed results

Runs of the task's full length, seeds 10 to 17 unless others are given. A variant is a comma-separated list of
settings of a run (`offline_objective=valid`) and of options of its learned loss, those of `lfl.loss_network` (`gain=1`)
or, behind `loss=taylor-cubic`, of `lfl.taylor_loss` (`reduction=mean`); all else is as by default. Writes
`results/loss-choices.json` after each variant, and skips variants that it already holds: the validation error of each
seed at the last step, and its mean over the last tenth of the steps, null where the seed diverged. The test split is
not used.
"""

import argparse
import ast
import json
import statistics
import tempfile
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rows import add_row, present_names, read_rows, refuse_interrupted, spread
from seeds import run_seeds

RESULTS = Path(__file__).parent / "results" / "loss-choices.json"


def measure(task: Any, model: str, method: str, variant: str, seeds: list[int]) -> dict[str, Any]:
    from lfl.loss import REPRESENTATIONS
    from lfl.training import Settings, resolve

    options = parse(variant)
    of_run = {name: options.pop(name) for name in [field.name for field in fields(Settings)] if name in options}
    settings = resolve(task.defaults, task=task.name, model=model, method=method, **of_run)
    drawn = {settings.loss: partial(REPRESENTATIONS[settings.loss], **options)} if options else {}
    with patch.dict(REPRESENTATIONS, drawn), tempfile.TemporaryDirectory() as scratch:
        results = run_seeds(task, settings, seeds, Path(scratch))
        refuse_interrupted(*results)
        late = [result and late_error(result.folder / "metrics.jsonl", settings.steps) for result in results]
    return {
        "seeds": seeds,
        "valid_error": [result and result.valid_error for result in results],
        "late_valid_error": late,
    }


def late_error(metrics: Path, steps: int) -> float:
    """Returns the mean of the validation errors measured in the last tenth of training."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    errors = [row["valid_error"] for row in rows if "valid_error" in row and row["step"] > 0.9 * steps]
    return statistics.mean(errors)


def parse(variant: str) -> dict[str, Any]:
    """Returns the options in text such as `"gain=0.5,bias=True"`; none for `"default"`."""
    options: dict[str, Any] = {}
    for part in variant.split(",") if variant != "default" else []:
        name, _, value = part.partition("=")
        try:
            options[name] = ast.literal_eval(value)
        except ValueError:
            options[name] = value
    return options


def tables() -> str:
    """Returns the committed results as Markdown, a table for each task and model."""
    rows = read_rows(RESULTS)
    blocks = []
    for task, model in dict.fromkeys((row["task"], row["model"]) for row in rows):
        lines = [
            f"| {task}, {model} | method | validation error | highest | over the last tenth | seeds |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for row in rows:
            if (row["task"], row["model"]) == (task, model):
                last = row["valid_error"]
                late = spread(row["late_valid_error"]) if "late_valid_error" in row else ""
                cells = [f"`{present_names(row['variant'])}`", row["method"], spread(last), highest(last), late]
                lines.append(f"| {' | '.join(cells)} | {len(last)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def highest(values: list[float | None]) -> str:
    """Returns the highest value, or how many seeds diverged, as text."""
    ended = [value for value in values if value is not None]
    if ended == values:
        return f"{max(ended):.4f}"
    return f"{len(values) - len(ended)} diverged" if ended else "all diverged"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="mnist")
    parser.add_argument("--model", default="logistic")
    parser.add_argument("--methods", nargs="+", default=["ml3", "adalfl"])
    parser.add_argument("--variants", nargs="+", default=["default"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10, 18)))
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="print the Markdown tables and exit")
    asked = parser.parse_args()
    if asked.table:
        print(tables())
        return

    import torch

    from lfl.device import keep_freed_memory
    from lfl.task import load_task

    torch.set_num_threads(asked.threads)
    keep_freed_memory()
    task = load_task(asked.task, asked.data_dir)
    for variant in asked.variants:
        for method in asked.methods:
            key = {"task": asked.task, "model": asked.model, "method": method, "variant": variant}
            make = partial(measure, task, asked.model, method, variant, asked.seeds)
            if row := add_row(RESULTS, key, make, task.device):
                print(method, variant, spread(row["valid_error"]), spread(row["late_valid_error"]), flush=True)


if __name__ == "__main__":
    main()
