"""The lines of the paper's tables."""

import csv
from pathlib import Path

import pytest

import lfl
from lfl.report.published import PAPER
from lfl.study import TABLES, TUNED, defaults_of, make_cell, parse_row, table_lines
from lfl.study.variant import Variant


def lines(table: int, rows=None, labels=None):
    return {line.key: line for line in table_lines(table, rows, labels, defaults_of)}


@pytest.mark.parametrize("table", TABLES.values())
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
        make_cell(tmp_path, key[0], key[1], found[key].candidates[0], defaults_of(key[0]), {})
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
        return make_cell(tmp_path, "mnist", "lenet5", variant, defaults_of("mnist"), {}).folder.name

    assert folder(Variant("adalfl", {"outer_lr": 1e-5})) == folder(Variant("adalfl")) == "mnist-lenet5-adalfl"
    assert folder(Variant("adalfl", {"outer_lr": 1e-4})) == "mnist-lenet5-adalfl-outer_lr=0.0001"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mnist", "such as mnist/lenet5, but 'mnist' came"),
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
