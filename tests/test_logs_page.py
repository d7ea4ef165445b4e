"""docs/logs.md holds: its example runs with a logger of one's own, and every log that can be chosen is in its table."""

import csv
import re
from pathlib import Path

import pytest

from lfl.choices import LOGS

PAGE = (Path(__file__).parent.parent / "docs" / "logs.md").read_text()
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLE, "logs.md", "exec"), {})
    *better, best = capsys.readouterr().out.splitlines()
    errors = [float(line.split()[-1]) for line in better]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) > 1
    assert best == f"best: {errors[-1]:.4f}"
    with open("numbers.csv", newline="") as file:
        table = [float(row["train/valid_error"]) for row in csv.DictReader(file) if row["train/valid_error"]]
    assert min(table) == pytest.approx(errors[-1], abs=1e-4)


def test_the_table_has_every_log() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", PAGE, re.M) == [name for name in LOGS if name != "none"]
