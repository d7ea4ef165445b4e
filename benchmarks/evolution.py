"""Formulas that searches find, and what they are worth on other seeds, models and tasks, beside every rival.

    python benchmarks/evolution.py search --case mnist-logistic      # searches that are missing
    python benchmarks/evolution.py final                             # their losses and the rivals on other seeds
    python benchmarks/evolution.py transfer                          # the same formulas on other models and tasks
    python benchmarks/evolution.py tables                            # the tables of docs/evolution.md

A case is a task, a model and a budget: 25 candidates in each of 50 generations as published, or fewer generations where
the table says so. Methods search on seeds 0 to 2; each takes the formula that was best on three other seeds by
validation error. `final` then trains on seeds 2000 to 2004 from the same first weights on the same batches: plain
training, `baseline-tuned` (the best of five rates by validation error), learned rates, learned losses, and the
formulas as they are, with their numbers learned on (`adalfl`), and as the base of a learned correction (`residual`).

Writes `results/evolution-searches.csv`, `results/evolution-final.csv` and `results/evolution-transfer.csv`, a row at a
time; rows that are there are not run again. Folders of searches and runs are kept in `--scratch`.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

import lfl
from lfl.boundary import parse_json, read_json
from lfl.run import read_result
from lfl.run.schema import environment
from lfl.run.searched import read_candidates, read_finalists, whole_lines
from lfl.symbolic import read_formula

RESULTS = Path(__file__).parent / "results"
LFL = [sys.executable, "-c", "from lfl_cli.app import main; main()"]
CASES: dict[str, dict[str, Any]] = {
    "digits-logistic": {"task": "digits", "model": "logistic", "generations": 50},
    "mnist-logistic": {"task": "mnist", "model": "logistic", "generations": 50},
    "digits-logistic-noisy": {"task": "digits", "model": "logistic", "generations": 50, "label_noise": "symmetric:0.4"},
    "diabetes-mlp": {"task": "diabetes", "model": "mlp", "generations": 10},
    "california-mlp": {"task": "california", "model": "mlp", "generations": 10},
    "mnist-mlp": {"task": "mnist", "model": "mlp", "generations": 4},
}
METHODS = ("evomal", "gp-lfl", "taylorglo")
RIVALS = {
    "baseline": "baseline",
    "baseline-tuned": "baseline-tuned",
    "meta-lr": "meta-lr",
    "ml3": "ml3",
    "adalfl": "adalfl",
    "residual": "adalfl loss=residual",
}
FINAL_SEED, FINAL_SEEDS = 2000, 5
TRANSFER = {
    "digits-logistic": ("mnist-logistic", "digits-mlp"),
    "mnist-logistic": ("digits-logistic", "mnist-lenet5"),
}
TRANSFER_STEPS = {"mnist-lenet5": 2000, "mnist-logistic": 5000}
FOUND = ["formula", "size", "candidates", "rejected", "not_finite", "repeats", "search_valid", "finalist_valid"]
SEARCHED = ["case", "method", "seed", *FOUND, "test", "seconds", "evaluator", "threads", "torch", "device"]
TRAINED = ["case", "line", "search_seed", "seed", "test", "valid", "seconds", "formula"]


def rows_of(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add_row(path: Path, fields: list[str], row: dict[str, Any]) -> None:
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def search(case: str, method: str, seed: int, scratch: Path) -> None:
    """Runs a search in a process of its own, or continues it, and adds its row."""
    settings = {**CASES[case], "method": method, "seed": seed, "device": "cpu"}
    folder = scratch / f"{case}-{method}-{seed}"
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    begun = (folder / "evolution.json").is_file()
    if not (folder / "result.json").is_file():
        command = ["resume", str(folder)] if begun else ["evolve", *flags, "--out", str(folder)]
        with (scratch / f"{folder.name}.log").open("a") as log:
            subprocess.run([*LFL, *command], check=True, stdout=log, stderr=log)
    candidates, finalists, result = read_candidates(folder), read_finalists(folder), read_result(folder)
    assert result is not None
    counts = Counter("repeats" if each.repeats else each.verdict for each in candidates)
    formula = lfl.load_run(folder, os.environ.get("LFL_DATA"), "cpu").settings.loss
    noted = read_json(folder / "evolution.json", dict)
    errors = [line.error for line in finalists if line.formula == formula and line.error is not None]
    times = whole_lines(folder / "evolution_timing.jsonl").splitlines()
    facts = environment(torch.device("cpu"))
    add_row(
        RESULTS / "evolution-searches.csv",
        SEARCHED,
        {
            **{"case": case, "method": method, "seed": seed, "formula": formula},
            **{"size": next(line.size for line in finalists if line.formula == formula), "candidates": len(candidates)},
            **{"rejected": counts["rejected"], "not_finite": counts["not finite"], "repeats": counts["repeats"]},
            "search_valid": min(each.fitness for each in candidates if each.fitness is not None),
            "finalist_valid": statistics.mean(errors),
            **{"test": result.test_error, "seconds": round(parse_json(times[-1], "times")["seconds"])},
            **{"evaluator": noted["evolution"]["evaluator"], "threads": noted["facts"]["threads"]},
            **{"torch": torch.__version__, "device": facts["device_name"]},
        },
    )


def lines_of(case: str) -> Iterator[tuple[str, str, str, str]]:
    """Yields name, label for `lfl.compare`, seed of the search and formula, of the rivals and of what was found."""
    for name, label in RIVALS.items():
        yield name, label, "", ""
    for row in rows_of(RESULTS / "evolution-searches.csv"):
        if row["case"] == case:
            formula = row["formula"].replace(" ", "")  # settings of a method are words
            yield row["method"], f"baseline loss={formula}", row["seed"], formula
            if row["method"] == "evomal":
                yield "evomal, then adalfl", f"adalfl loss={formula}", row["seed"], formula
                yield "residual on evomal", f"adalfl loss=residual base={formula}", row["seed"], formula


def train(
    path: Path, case: str, settings: dict[str, Any], lines: Iterable[tuple[str, str, str, str]], scratch: Path, of: str
) -> None:
    """Trains the lines that have no rows yet, and adds a row for each seed."""
    there = {(row["case"], row["line"], row["search_seed"]) for row in rows_of(path)}
    for name, label, search_seed, formula in lines:
        if (of, name, search_seed) in there:
            continue
        out = scratch / f"{of.replace(' ', '-')}-{name.replace(' ', '-').replace(',', '')}-{search_seed}"
        found = lfl.compare(
            **settings,
            **{"methods": [label], "seeds": FINAL_SEEDS, "seed": FINAL_SEED, "out": out, "device": "cpu", "threads": 1},
            data_dir=os.environ.get("LFL_DATA"),
        )
        for failed in found.failed:
            print(f"{case}, {name}: {failed.error}", flush=True)
        for summary in found.summaries:
            for outcome in summary.outcomes:
                row = {"case": of, "line": name, "search_seed": search_seed, "seed": outcome.seed, "formula": formula}
                numbers = {"test": outcome.test_error, "valid": outcome.valid_error, "seconds": outcome.seconds}
                add_row(path, TRAINED, row | numbers)


def settings_of(case: str) -> dict[str, Any]:
    return {name: value for name, value in CASES[case].items() if name != "generations"}


def transfer(scratch: Path) -> None:
    path = RESULTS / "evolution-transfer.csv"
    for source, targets in TRANSFER.items():
        own = [line for line in lines_of(source) if line[0] == "evomal"]
        for target in targets if own else ():
            task, model = target.split("-")
            steps = {"steps": TRANSFER_STEPS[target]} if target in TRANSFER_STEPS else {}
            settings = {"task": task, "model": model, **steps}
            train(path, target, settings, [("baseline", "baseline", "", ""), *own], scratch, f"{source} to {target}")


def tables() -> None:
    """Prints the tables as Markdown."""
    print("| case | method | seed | formula | candidates | rejected | repeats | minutes |")
    print("|---" * 8 + "|")
    for row in rows_of(RESULTS / "evolution-searches.csv"):
        lost = int(row["rejected"]) + int(row["not_finite"])
        shares = [f"{100 * n / int(row['candidates']):.0f} %" for n in (lost, int(row["repeats"]))]
        formula = read_formula(row["formula"])
        cells = [row["case"], row["method"], row["seed"], f"`{formula}`", row["candidates"], *shares]
        print("|", " | ".join([*cells, f"{int(row['seconds']) / 60:.0f}"]), "|")
    for name in ("final", "transfer"):
        rows = rows_of(RESULTS / f"evolution-{name}.csv")
        if not rows:
            continue
        print(f"\n| {name} | loss | test error | each search | s a run |\n|---|---|---|---|---|")
        for case, line in dict.fromkeys((row["case"], row["line"]) for row in rows):
            of_line = [row for row in rows if (row["case"], row["line"]) == (case, line)]
            errors = [float(row["test"]) for row in of_line]
            each = {
                seed: statistics.mean(float(row["test"]) for row in of_line if row["search_seed"] == seed)
                for seed in dict.fromkeys(row["search_seed"] for row in of_line)
            }
            searches = ", ".join(f"{mean:.4f}" for seed, mean in each.items() if seed)
            time = statistics.median(float(row["seconds"]) for row in of_line)
            spread = f"{statistics.mean(errors):.4f} ± {statistics.stdev(errors):.4f}"
            print(f"| {case} | {line} | {spread} | {searches} | {time:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "final", "transfer", "tables"])
    parser.add_argument("--case", choices=list(CASES), action="append", help="all when omitted")
    parser.add_argument("--method", choices=METHODS, action="append", help="all when omitted")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=Path("runs/evolution"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.scratch.mkdir(parents=True, exist_ok=True)
    cases = asked.case or list(CASES)
    if asked.what == "search":
        for case in cases:
            for seed in range(asked.seeds):
                for method in asked.method or METHODS:
                    rows = rows_of(RESULTS / "evolution-searches.csv")
                    if (case, method, str(seed)) not in {(row["case"], row["method"], row["seed"]) for row in rows}:
                        search(case, method, seed, asked.scratch)
    elif asked.what == "final":
        for case in cases:
            train(
                RESULTS / "evolution-final.csv", case, settings_of(case), lines_of(case), asked.scratch / "final", case
            )
    elif asked.what == "transfer":
        transfer(asked.scratch / "transfer")
    else:
        tables()


if __name__ == "__main__":
    main()
