"""Tabular regression: 20 % test, 10 % of the rest valid, inputs standardised, targets to [0, 1]."""

from pathlib import Path

from ..data import scikit
from ..data.arrays import Split, hold_out, standardise, to_unit_range
from .task import Defaults, Task


def diabetes(data_dir: Path) -> Task:
    """Disease progression after one year from ten variables, with the paper's settings."""
    return _regression_task("diabetes", scikit.diabetes(), Defaults(steps=10_000, inner_lr=0.001))


def _regression_task(name: str, rows: Split, defaults: Defaults) -> Task:
    rest, test = hold_out(rows, 0.2, stratified=False)
    train, valid = hold_out(rest, 0.1, stratified=False)
    inputs = standardise(train.x, valid.x, test.x, per_column=True)
    targets = to_unit_range(train.y, valid.y, test.y)
    train, valid, test = (Split(x, y) for x, y in zip(inputs, targets, strict=True))
    return Task(name, "regression", train, valid, test, rows.y.shape[1], defaults)
