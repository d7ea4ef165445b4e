"""Files of numbers are read back as they were logged, and a resumed one is the same to the byte as a whole one."""

import csv
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl

NAMES = ["train/inner_loss", "train/valid_error", 'odd, "name"', "init/x"]
NUMBERS = st.dictionaries(st.sampled_from(NAMES), st.floats(width=32), min_size=1)
LOGS = st.lists(NUMBERS, min_size=1, max_size=8)
LOGGERS: dict[str, Any] = {"csv": lfl.CsvLogger, "jsonl": lfl.JsonlLogger}


def read(path: Path, form: str) -> list[dict[str, float]]:
    """The rows of a file by the standard library, numbers that were not logged left out."""
    if form == "jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def write(logger: Any, rows: list[dict[str, float]], first: int, done: int) -> None:
    logger.start({}, done)
    for step, numbers in enumerate(rows, first):
        logger.log(step, numbers)
    logger.figure("loss", Path("nowhere.png"), 1)
    logger.close()


@pytest.mark.parametrize("form", LOGGERS)
@given(LOGS)
@settings(max_examples=25, deadline=None)
def test_numbers_come_back(form: str, rows: list[dict[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "log"
        write(LOGGERS[form](path), rows, 1, 0)
        found = read(path, form)
    assert [row.pop("step") for row in found] == list(range(1, len(rows) + 1))
    assert [{k: repr(v) for k, v in row.items()} for row in found] == [
        {k: repr(float(v)) for k, v in row.items()} for row in rows
    ]


@pytest.mark.parametrize("form", LOGGERS)
@given(LOGS, st.data())
@settings(max_examples=25, deadline=None)
def test_a_resumed_file_is_that_of_an_uninterrupted_training(
    form: str, rows: list[dict[str, float]], data: st.DataObject
) -> None:
    reached = data.draw(st.integers(1, len(rows)))
    done = data.draw(st.integers(0, reached))
    with tempfile.TemporaryDirectory() as folder:
        whole, resumed = Path(folder) / "whole", Path(folder) / "resumed"
        write(LOGGERS[form](whole), rows, 1, 0)
        write(LOGGERS[form](resumed), rows[:reached], 1, 0)
        write(LOGGERS[form](resumed), rows[done:], done + 1, done)
        assert resumed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("form", LOGGERS)
def test_a_new_training_writes_over(form: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    for value in (1.0, math.inf):
        write(LOGGERS[form](path), [{"a": value}], 1, 0)
        assert read(path, form) == [{"step": 1, "a": value}]


@pytest.mark.parametrize(
    ("form", "content"),
    [("csv", b"step,a\nthree,1\n"), ("csv", b'step,a\n1,"2\n'), ("jsonl", b"3\n"), ("jsonl", b'{"step": "x"}\n')],
)
def test_a_file_of_something_else_is_named(form: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(lfl.UserError, match=str(path)):
        LOGGERS[form](path).start({}, 5)
    assert path.read_bytes() == content
