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

RESULTS = Path(__file__).parent / "results"
HEAD = ["", "method", "test error", "the paper's", "off by", "seeds"]


def spread(mean: str, std: str) -> str:
    """`0.0123 ± 0.0004`, as far as it is known."""
    if not mean:
        return ""
    if mean == "nan":
        return "diverged"
    return f"{float(mean):.4f}" + (f" ± {float(std):.4f}" if std not in ("", "nan") else "")


def off_by(row: dict[str, str]) -> str:
    """How far our mean lies above the paper's, in the paper's standard deviations."""
    if not row["paper_std"] or row["mean"] == "nan":
        return ""
    return f"{(float(row['mean']) - float(row['paper_mean'])) / float(row['paper_std']):+.1f}"


def table() -> str:
    """Markdown, a line a cell, and ridge regression (`ridge.py`) beneath the rows of real values."""
    ridge = json.loads((RESULTS / "ridge.json").read_text())["rows"]
    lines = [HEAD, ["---"] * len(HEAD)]
    with (RESULTS / "table1.csv").open(newline="") as file:
        for (task, model), rows in groupby(csv.DictReader(file), lambda row: (row["task"], row["model"])):
            cells = []
            for row in rows:
                ours, paper = spread(row["mean"], row["std"]), spread(row["paper_mean"], row["paper_std"])
                cells.append([row["method"], ours, paper, off_by(row), row["seeds"]])
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
