"""The results in the paper's tables: mean and standard deviation over ten seeds, to show beside our own."""

import csv
from pathlib import Path

from .statistics import Spread

PAPER = Path(__file__).parent / "paper"


def table_1(task: str, model: str) -> dict[str, Spread]:
    """Returns the row of Table 1 for a task and a model, by method; empty where the paper has no such row."""
    return {
        row["method"]: Spread(float(row["mean"]), float(row["std"]))
        for row in _rows("table1.csv")
        if (row["task"], row["model"]) == (task, model)
    }


def table_2(task: str, model: str) -> dict[str, float]:
    """Returns the row of Table 2 for a task and a model: hours of a whole run on the paper's GPU, by method."""
    for row in _rows("table2.csv"):
        if (row.pop("task"), row.pop("model")) == (task, model):
            return {method: float(hours) for method, hours in row.items()}
    return {}


def ablation(table: int, task: str, model: str) -> dict[str, Spread | None]:
    """Returns the results of one of Tables 3 to 7 for a task and a model, by variant; None where training diverged."""
    return {
        row["variant"]: Spread(float(row["mean"]), float(row["std"])) if row["mean"] else None
        for row in _rows("ablations.csv")
        if (row["table"], row["task"], row["model"]) == (str(table), task, model)
    }


def paper_results(table: int) -> dict[tuple[str, str, str], Spread | None]:
    """Returns all results of one table by (task, model, method or variant), in the paper's order.

    Table 2 has hours, without a deviation. None means that training diverged.
    """
    if table == 1:
        named = {(row["task"], row["model"]): None for row in _rows("table1.csv")}
        return {(*row, method): found for row in named for method, found in table_1(*row).items()}
    if table == 2:
        named = {(row["task"], row["model"]): None for row in _rows("table2.csv")}
        return {(*row, method): Spread(hours, None) for row in named for method, hours in table_2(*row).items()}
    named = {(row["task"], row["model"]): None for row in _rows("ablations.csv") if row["table"] == str(table)}
    return {(*row, variant): found for row in named for variant, found in ablation(table, *row).items()}


def _rows(name: str) -> list[dict[str, str]]:
    with (PAPER / name).open(newline="") as file:
        return list(csv.DictReader(file))
