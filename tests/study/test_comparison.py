"""Methods beside the first."""

import csv
import json
from pathlib import Path

import pytest

from lfl.study import Line, compare, run_grid, summarise, write_comparison
from lfl.study.variant import parse_variant

from .cases import cell, worker


def test_files_hold_what_the_runs_gave(tmp_path: Path) -> None:
    names = ["baseline", "ml3", "baseline inner_lr=1e38"]
    cells = [cell(tmp_path, name) for name in names]
    run_grid(cells, [0, 1], worker())
    lines = [Line("digits", "logistic", name, (parse_variant(name),)) for name in names]
    found = compare([summarise(line, [each], [0, 1]) for line, each in zip(lines, cells, strict=True)])
    write_comparison(tmp_path, found)
    errors = [
        [json.loads((each.run(seed) / "result.json").read_text())["test_error"] for seed in (0, 1)]
        for each in cells[:2]
    ]
    whole = json.loads((tmp_path / "comparison.json").read_text())
    with (tmp_path / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [each["method"] for each in whole] == [row["method"] for row in rows] == names
    for each, row, own in zip(whole, rows, errors, strict=False):
        assert [seed["test_error"] for seed in each["seeds"]] == own
        assert float(row["mean"]) == pytest.approx(sum(own) / 2, rel=1e-5)
        assert each["settings"]["steps"] == 6
        assert "seed" not in each["settings"]
    assert (whole[0]["less_first"], rows[0]["difference"], whole[0]["time_ratio"]) == (None, "", 1.0)
    differences = [a - b for a, b in zip(*reversed(errors), strict=True)]
    assert whole[1]["less_first"]["mean"] == pytest.approx(sum(differences) / 2)
    assert float(rows[1]["difference"]) == pytest.approx(sum(differences) / 2, rel=1e-5, abs=1e-9)
    assert (whole[2]["mean"], whole[2]["less_first"], rows[2]["mean"]) == (None, None, "")
    assert "became" in whole[2]["seeds"][0]["diverged"]
