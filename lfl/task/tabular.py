"""The paper's regression tasks: 20 % test, 10 % of the rest valid, inputs standardised, targets to [0, 1]."""

from pathlib import Path
from typing import Unpack

from ..data import scikit, tables
from ..data.arrays import Split
from .build import Held, build_task
from .defaults import DEFAULTS
from .task import Task


def diabetes(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Disease progression after one year from ten variables."""
    return _regression("diabetes", scikit.diabetes(), **held)


def crime(data_dir: Path, **held: Unpack[Held]) -> Task:
    """Violent crimes per head of 1,994 communities of the United States, from 100 facts about each."""
    return _regression("crime", tables.crime(data_dir), **held)


def california(data_dir: Path, **held: Unpack[Held]) -> Task:
    """House value of 20,640 Californian districts from eight facts about each."""
    return _regression("california", tables.california(data_dir), **held)


def _regression(name: str, rows: Split, **held: Unpack[Held]) -> Task:
    return build_task(name, "regression", rows, None, 1, DEFAULTS[name], **held)
