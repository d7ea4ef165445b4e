"""Methods beside the first: files, pictures, and `lfl.compare`."""

import csv
import json
from pathlib import Path

import pytest

import lfl
from lfl.study import (
    Engine,
    Line,
    check_paths,
    compare,
    compare_with_first,
    draw_learning,
    parse_variant,
    read_outcome,
    summarise,
    write_comparison,
)

from .cases import SMALL, experiment, line_of, run


@pytest.mark.slow
def test_files_hold_what_the_runs_gave(tmp_path: Path) -> None:
    names = ["baseline", "ml3", "baseline inner_lr=1e38"]
    cells = [experiment(tmp_path, name) for name in names]
    run(tmp_path, cells, [0, 1])
    lines = [Line("digits", "logistic", name, (parse_variant(name),)) for name in names]
    found = compare_with_first([summarise(line, [each], [0, 1]) for line, each in zip(lines, cells, strict=True)])
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


def summaries(out: Path, *names: str):
    cells = [experiment(out, name) for name in names]
    run(out, cells, [0, 1])
    lines = [Line("digits", "logistic", f"the {name}", (parse_variant(name),)) for name in names]
    return [summarise(line, [each], [0, 1]) for line, each in zip(lines, cells, strict=True)]


@pytest.mark.slow
def test_the_curves_of_all_lines_under_their_names(tmp_path: Path) -> None:
    found = summaries(tmp_path, "baseline", "baseline inner_lr=0.1", "baseline inner_lr=1e38")
    png, svg = draw_learning(found, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    assert "the baseline inner_lr=0.1" in text
    assert "1e38" not in text  # it diverged


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert draw_learning(summaries(tmp_path, "baseline inner_lr=1e38"), tmp_path) == []
    assert not list(tmp_path.glob("learning*"))


@pytest.mark.slow
def test_compare_from_python_is_what_the_runs_gave(tmp_path: Path) -> None:
    seen = []
    methods = ["baseline", "adalfl", "baseline inner_lr=1e38"]
    found = compare("digits", "logistic", methods, seeds=2, seed=3, out=tmp_path, progress=seen.append, **SMALL)
    assert (seen[0].ended, seen[0].runs, seen[-1].ended) == (0, 6, 6)
    assert [each.summary.line.label for each in found.methods] == methods
    assert (found.folder, found.failed, len(found.pictures)) == (tmp_path, [], 2)
    ours = {seed: read_outcome(experiment(tmp_path), seed).test_error for seed in (3, 4)}
    assert found.methods[1].summary.test == ours
    assert found.methods[1].error.mean == pytest.approx(sum(ours.values()) / 2)
    assert found.methods[0].difference is None
    assert found.methods[1].difference == found.summaries[1].minus(found.summaries[0])
    assert [outcome.seed for outcome in found.summaries[2].diverged] == [3, 4]
    assert json.loads((tmp_path / "comparison.json").read_text())[1]["mean"] == found.methods[1].error.mean


def test_compare_says_what_it_cannot_do(tmp_path: Path) -> None:
    found = compare("digits", "lenet5", out=tmp_path, **SMALL)
    assert (found.methods, found.summaries) == ([], [])
    assert all("lenet5 needs images" in str(each.error) for each in found.failed)
    for asked, words in [
        ({"depth": 3}, "unknown setting 'depth'"),
        ({"jobs": 0}, "--jobs must be at least 1, got 0"),
        ({"task": "imagenet"}, "unknown task 'imagenet'"),
        ({"engine": "slurm"}, "unknown engine 'slurm'"),
        ({"device": "cuda:99"}, "device cuda:99 is not available"),
        ({"device": "cpu:1"}, "unknown device 'cpu:1'"),
    ]:
        with pytest.raises(lfl.UserError, match=words):
            compare(out=tmp_path, **asked)


@pytest.mark.slow
def test_a_users_own_data_are_read_anew_each_time(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    errors = []
    for top in (7, 70):
        rows = "\n".join(f"{i % top},{i / 100}" for i in range(80))
        Path("table.csv").write_text(f"size,price\n{rows}\n")
        own = {"task": "table.csv", "model": "logistic", "methods": ["baseline"], "target": "price", "seeds": 1}
        errors.append(compare(**own, out=f"out-{top}", **SMALL).methods[0].error.mean)
    assert errors[0] != errors[1]


def test_relative_names_of_data_are_refused_on_a_cluster() -> None:
    own = experiment(Path("out"), valid="clean.csv")
    check_paths([(line_of(own), [own])], Engine("loky", None, 2))
    for kind in ("dask", "ray"):
        with pytest.raises(lfl.UserError, match=r"clean.csv is a relative path, .* write /"):
            check_paths([(line_of(own), [own])], Engine(kind, None, 1))
