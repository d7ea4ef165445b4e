"""Tables 4 to 7 of the paper beside ours, from the committed results.

    lfl reproduce table7 --csv benchmarks/results/table7.csv
    python benchmarks/ablations.py --table    # the tables of docs/reproduction.md

The first command makes the results of one table: runs of the paper's full length, seeds 0, 1, 2 and so on.
"""

import argparse

from table1 import RESULTS, table

TITLES = {
    "table4": "Table 4: a Taylor polynomial in place of AdaLFL's loss network.",
    "table5": "Table 5: the loss network of ML3 (ReLU, softplus at the output) in place of the paper's.",
    "table6": "Table 6: the rate at which the loss learns online.",
    "table7": "Table 7: the data that online steps judge the loss on.",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", required=True, help="print the Markdown tables")
    parser.parse_args()
    print("\n\n".join(f"{title}\n\n{table(RESULTS / f'{name}.csv')}" for name, title in TITLES.items()))


if __name__ == "__main__":
    main()
