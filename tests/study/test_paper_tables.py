"""The lines of the paper's tables, and entries beside its figures."""

import csv
from pathlib import Path

import pytest

import lfl
from lfl.report.published import PAPER
from lfl.report.statistics import Spread
from lfl.study import (
    TUNED,
    Line,
    Outcome,
    Summary,
    Variant,
    defaults_of,
    entries,
    make_experiment,
    parse_row,
    table_lines,
)

from .cases import experiment


def lines(table: int, rows=None, labels=None):
    return {line.key: line for line in table_lines(table, rows, labels, defaults_of)}


@pytest.mark.parametrize("table", range(1, 8))
def test_every_figure_of_the_paper_has_a_line_that_can_be_run(table: int, tmp_path: Path) -> None:
    found = lines(table)
    file = {1: "table1.csv", 2: "table2.csv"}.get(table, "ablations.csv")
    with (PAPER / file).open() as text:
        rows = [row for row in csv.DictReader(text) if row.get("table", str(table)) == str(table)]
    if table == 2:
        rows = [
            row | {"method": method, "mean": row[method]}
            for row in rows
            for method in ("baseline", "ml3", "meta-lr", "adalfl")
        ]
    keys = [(row["task"], row["model"], row.get("variant") or row["method"]) for row in rows]
    assert [key for key in found if key[2] != TUNED] == keys
    assert {key[:2] for key in found if key[2] == TUNED} == {key[:2] for key in keys}
    for key, row in zip(keys, rows, strict=True):
        published = found[key].published
        assert (published is None) == (not row["mean"])
        if published is not None:
            assert published.mean == float(row["mean"])
            assert published.std == (None if table == 2 else float(row["std"]))
        make_experiment(tmp_path, key[0], key[1], found[key].candidates[0], defaults_of(key[0]), {})
    assert all(found[key].published is None for key in found if key[2] == TUNED)


def test_rows_beyond_the_paper_have_the_tables_lines_without_figures() -> None:
    found = lines(6, [("digits", "logistic")])
    assert [label for _, _, label in found] == [f"adalfl outer_lr=1e-{n}" for n in range(1, 7)] + [TUNED]
    assert all(line.published is None for line in found.values())


def test_a_method_of_table_1_keeps_its_figure_in_other_tables() -> None:
    found = lines(6, [("mnist", "lenet5")], ["adalfl", "adalfl+lr"])
    assert found["mnist", "lenet5", "adalfl"].published == (0.0091, 0.0004)
    assert found["mnist", "lenet5", "adalfl+lr"].published is None


def test_variants_that_change_nothing_share_the_methods_runs(tmp_path: Path) -> None:
    def folder(variant: Variant) -> str:
        return make_experiment(tmp_path, "mnist", "lenet5", variant, defaults_of("mnist"), {}).folder.name

    assert folder(Variant("adalfl", {"outer_lr": 1e-5})) == folder(Variant("adalfl")) == "mnist-lenet5-adalfl"
    assert folder(Variant("adalfl", {"outer_lr": 1e-4})) == "mnist-lenet5-adalfl-outer_lr=0.0001"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mnist", "such as mnist/lenet5, got 'mnist'"),
        ("/lenet5", "such as mnist/lenet5"),
        ("mnist/", "such as mnist/lenet5"),
        ("imagenet/mlp", "unknown task 'imagenet'"),
        ("mnist/gpt", "unknown model 'gpt'"),
    ],
)
def test_bad_rows_are_named(text: str, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        parse_row(text)
    assert parse_row("data/own.npz/my:net") == ("data/own.npz", "my:net")


def summary(label: str, errors: list[float], seconds: list[float], published=None, task: str = "mnist") -> Summary:
    study = experiment(Path("unused"), "baseline")
    outcomes = [
        Outcome(seed, error, 0.1, 1.0, commit, None if error == error else "loss became nan")
        for seed, (error, commit) in enumerate(zip(errors, ["a", "b", "b+a"], strict=False))
    ]
    return Summary(Line(task, "logistic", label, (), published), study, outcomes, seconds)


def test_entries_set_a_line_beside_the_paper_and_the_baselines() -> None:
    base = summary("baseline", [0.5, 0.7, 0.9], [2.0, 2.0, 2.0])
    tuned = summary("baseline-tuned", [0.4, 0.5, 0.6], [10.0, 10.0, 10.0])
    ours = summary("adalfl", [0.1, 0.2, 0.3], [4.0, 6.0, 8.0], Spread(0.1, 0.05))
    found = {e.key[2]: e for e in entries([base, tuned, ours], {"digits/logistic": base}, hours=False)}
    entry = found["adalfl"]
    assert (entry.seeds, entry.off, entry.time_ratio) == (3, pytest.approx(2.0), 3.0)
    assert entry.minus_baseline.mean == pytest.approx(-0.5)
    assert entry.minus_tuned.mean == pytest.approx(-0.3)
    assert entry.published_ratio == pytest.approx(0.55 / 0.06)
    assert entry.commit == "a+b"
    assert found["baseline"].minus_baseline is None
    assert (found["baseline-tuned"].minus_tuned, found["baseline-tuned"].note) == (None, "rate 0.01")
    assert found["baseline-tuned"].minus_baseline.mean == pytest.approx(-0.2)


def test_hours_and_divergence() -> None:
    ours = summary("adalfl", [0.1, 0.2], [1800.0, 5400.0], Spread(0.55, None))
    gone = summary("ml3", [0.1, float("nan")], [], task="own")
    hours, diverged = entries([ours, gone], {}, hours=True)
    assert (hours.found.mean, hours.off, hours.time_ratio) == (1.0, None, None)
    assert diverged.found.mean != diverged.found.mean
    (error,) = entries([gone], {}, hours=False)
    assert error.note == "diverged with seed 1"
    assert error.published_ratio is None
