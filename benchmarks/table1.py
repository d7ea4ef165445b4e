"""Table 1 of the paper beside ours, from the committed results.

    lfl reproduce table1 --rows mnist/logistic,mnist/lenet5 --csv benchmarks/results/table1.csv
    python benchmarks/table1.py --table        # the table of the README

The first makes the results: runs of the paper's full length, seeds 0 to 2, each cell added as it is finished.
"""

import argparse
import csv
import json
from itertools import groupby
from pathlib import Path

from lfl.report.spread import Spread, spread_words
from lfl.study.statistics import deviations_off

RESULTS = Path(__file__).parent / "results"
HEAD = ["", "method", "test error", "the paper's", "off by", "seeds"]


def figure(row: dict[str, str], of: str = "") -> Spread | None:
    """Ours, or the `paper_`'s."""
    mean, std = row[f"{of}mean"], row[f"{of}std"]
    return Spread(float(mean), float(std) if std else None) if mean else None


def table() -> str:
    """Markdown, a line a cell, and ridge regression (`ridge.py`) beneath the rows of real values."""
    ridge = json.loads((RESULTS / "ridge.json").read_text())["rows"]
    lines = [HEAD, ["---"] * len(HEAD)]
    with (RESULTS / "table1.csv").open(newline="") as file:
        for (task, model), rows in groupby(csv.DictReader(file), lambda row: (row["task"], row["model"])):
            cells = []
            for row in rows:
                ours, paper = figure(row), figure(row, "paper_")
                off = None if ours is None else deviations_off(ours.mean, paper)
                shown = ["" if found is None else spread_words(found) for found in (ours, paper)]
                cells.append([row["method"], *shown, "" if off is None else f"{off:+.1f}", row["seeds"]])
            if task in ridge:
                cells.append(["ridge regression", f"{ridge[task]['test_error']:.4f}", "", "", ""])
            lines += [[f"{task}, {model}" if not i else "", *cell] for i, cell in enumerate(cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", required=True, help="print the Markdown table")
    parser.parse_args()
    print(table())


if __name__ == "__main__":
    main()
