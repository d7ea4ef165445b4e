"""Table 1 of the paper beside ours, from the committed results.

    lfl reproduce table1 --rows mnist/logistic,mnist/lenet5 --csv benchmarks/results/table1.csv
    python benchmarks/table1.py --table        # the table of the README

The first makes the results: runs of the paper's full length, seeds 0 to 2, each cell added as it is finished.
"""

import argparse
import csv
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "table1.csv"
HEAD = ["", "method", "test error", "the paper's", "off by", "time", "seeds"]


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
    """Markdown, a line a cell."""
    lines, last = [HEAD, ["---"] * len(HEAD)], ""
    with RESULTS.open(newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row['task']}, {row['model']}"
            time = f"{float(row['ratio_to_baseline_time']):.1f}" if row["ratio_to_baseline_time"] else ""
            ours, paper = spread(row["mean"], row["std"]), spread(row["paper_mean"], row["paper_std"])
            lines.append([name if name != last else "", row["method"], ours, paper, off_by(row), time, row["seeds"]])
            last = name
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", required=True, help="print the Markdown table")
    parser.parse_args()
    print(table())


if __name__ == "__main__":
    main()
