"""Loggers that write a file of their own: lines of JSON, and a table for spreadsheets and pandas."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..boundary import converted, parse_json, read_bytes
from ..errors import UserError
from .folder import write_named

REMEDY = "remove it, or choose another file"


class JsonlLogger:
    """Writes a line of JSON for each step: `{"step": 20, "train/inner_loss": 0.31}`.

    Every run folder has the same numbers in its `metrics.jsonl`; this is for a file elsewhere.

    Args:
        path: of the file, which is written over unless a training is resumed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = JsonlLogger(f"{folder}/log.jsonl")
        ...     logger.start({})
        ...     logger.log(1, {"loss": 0.5})
        ...     Path(f"{folder}/log.jsonl").read_text()
        '{"step": 1, "loss": 0.5}\\n'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
        """Begins the file; where a training is resumed, lines of later steps are removed."""
        lines = read_bytes(self.path, remedy=REMEDY).splitlines(keepends=True) if step and self.path.exists() else []
        kept = [line for line in lines if _step_of(parse_json(line, str(self.path)), self.path) <= step]
        write_named(self.path, b"".join(kept))

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Writes the line of a step."""
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step} | dict(numbers)) + "\n")

    def figure(self, name: str, picture: Any, step: int) -> None:
        """Does nothing: a file of numbers holds no pictures."""

    def close(self) -> None:
        """Does nothing: the file is closed after each line."""


class CsvLogger:
    """Writes a table with a row for each step and a column for each number; what was not measured is empty.

    Columns are in the order in which numbers were first logged: a new one is added on the right.

    Args:
        path: of the file, which is written over unless a training is resumed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CsvLogger(f"{folder}/log.csv")
        ...     logger.start({})
        ...     logger.log(1, {"loss": 0.5})
        ...     logger.log(2, {"loss": 0.25, "error": 1.0})
        ...     print(Path(f"{folder}/log.csv").read_text(), end="")
        step,loss,error
        1,0.5,
        2,0.25,1.0
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.columns: list[str] = []

    def start(self, settings: Mapping[str, Any], step: int = 0) -> None:
        """Begins the file; where a training is resumed, rows of later steps are removed."""
        rows = self._rows() if step and self.path.exists() else []
        self._write([row for row in rows if _step_of(row, self.path) <= step])

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Writes the row of a step."""
        row = {"step": str(step)} | {name: repr(float(value)) for name, value in numbers.items()}
        if row.keys() <= set(self.columns):
            with self.path.open("a", newline="") as file:
                self._writer(file).writerow(row)
        else:
            self._write([*self._rows(), row])

    def figure(self, name: str, picture: Any, step: int) -> None:
        """Does nothing: a table holds no pictures."""

    def close(self) -> None:
        """Does nothing: the file is closed after each row."""

    def _rows(self) -> list[dict[str, str]]:
        """Reads the rows so far, each without its empty cells."""
        text = read_bytes(self.path, remedy=REMEDY).decode(errors="replace")
        try:
            rows = list(csv.DictReader(io.StringIO(text), strict=True, restval=""))
        except csv.Error as error:
            raise UserError(f"{self.path} is no table ({error}); {REMEDY}.") from error
        return [{str(name): str(cell) for name, cell in row.items() if cell} for row in rows]

    def _write(self, rows: list[dict[str, str]]) -> None:
        self.columns = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
        text = io.StringIO(newline="")
        writer = self._writer(text)
        writer.writeheader()
        writer.writerows(rows)
        write_named(self.path, text.getvalue().encode())

    def _writer(self, file: Any) -> "csv.DictWriter[str]":
        return csv.DictWriter(file, self.columns, restval="", lineterminator="\n")


def _step_of(row: Any, path: Path) -> int:
    """The step of a line that was read back."""
    step = row.get("step", "") if isinstance(row, dict) else ""
    if isinstance(step, str):
        step = int(step) if step.isascii() and step.isdigit() else None
    return converted(step, int, str(path))
