"""Table 1 of the paper beside ours, from the committed results.

    lfl reproduce table1 --rows mnist/logistic,mnist/lenet5 --csv benchmarks/results/table1.csv
    python benchmarks/table1.py --table        # the table of the README

    lfl reproduce table1 --rows crime/mlp --methods "baseline inner_lr=0.01,ml3 restart_every=1" \\
        --csv benchmarks/results/regression.csv
    python benchmarks/table1.py --regression   # regression with other settings: docs/reproduction.md

The first command of each pair makes the results: runs of the paper's full length, seeds 0, 1, 2 and so on.
"""

import argparse
import csv
import json
from itertools import groupby
from pathlib import Path

from rows import present_names

from lfl.report.published import table_1
from lfl.report.statistics import Spread, spread_words
from lfl.study import deviations_off

RESULTS = Path(__file__).parent / "results"
HEAD = ["", "method", "test error", "the paper's", "off by", "seeds"]


def table(results: Path) -> str:
    """Returns a Markdown table, a row for each method, with ridge regression (`ridge.py`) below regression tasks."""
    ridge = json.loads((RESULTS / "ridge.json").read_text())["rows"]
    lines = [HEAD, ["---"] * len(HEAD)]
    with results.open(newline="") as file:
        for (task, model), rows in groupby(csv.DictReader(file), lambda row: (row["task"], row["model"])):
            cells = []
            for row in rows:
                ours = our_spread(row)
                if row["paper_mean"]:
                    paper = Spread(float(row["paper_mean"]), float(row["paper_std"]))
                else:
                    paper = table_1(task, model).get(row["method"].split()[0])  # the method without its settings
                off = deviations_off(ours.mean, paper)
                shown = ["" if found is None else spread_words(found) for found in (ours, paper)]
                cells.append([present_names(row["method"]), *shown, "" if off is None else f"{off:+.1f}", row["seeds"]])
            if task in ridge:
                cells.append(["ridge regression", f"{ridge[task]['test_error']:.4f}", "", "", ""])
            lines += [[f"{task}, {model}" if not i else "", *cell] for i, cell in enumerate(cells)]
    return markdown(lines)


def our_spread(row: dict[str, str]) -> Spread:
    """Returns mean and deviation of our runs in a row of the results."""
    return Spread(float(row["mean"]), float(row["std"]) if row["std"] else None)


def markdown(lines: list[list[str]]) -> str:
    """Returns a Markdown table of rows of cells, which include the head and the rule below it."""
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--table", action="store_true", help="print the Markdown table")
    wanted.add_argument("--regression", action="store_true", help="print the table of regression with other settings")
    asked = parser.parse_args()
    print(table(RESULTS / ("table1.csv" if asked.table else "regression.csv")))


if __name__ == "__main__":
    main()
