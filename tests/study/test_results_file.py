"""Results files."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lfl
from lfl.report.statistics import Spread
from lfl.study import Entry, Paired
from lfl.study.results_file import (
    csv_cells,
    csv_format,
    markdown_format,
    merge_results,
    read_results,
    readable_cells,
    write_results,
)

from ..processes import start, status_of

NAN = float("nan")
MERGE = """
from lfl.study.results_file import csv_format, merge_results
for line in range(20):
    merge_results(into, csv_format(), {("digits", "mlp", f"{writer}-{line}"): ["1"] * 7}, 1)
"""


def entry(key=("mnist", "lenet5", "adalfl"), **changed) -> Entry:
    whole = Entry(
        key=key,
        seeds=3,
        found=Spread(0.0084321234, 0.0004),
        published=Spread(0.0091, 0.0004),
        off=-1.67,
        minus_baseline=Paired(3, -0.0045, 0.0017, -4.0, 0.0412),
        minus_tuned=None,
        time_ratio=6.7891,
        published_ratio=6.7,
        commit="0123456",
        note="",
    )
    return whole._replace(**changed)


def test_csv_has_exactly_its_columns_and_numbers_that_read_back() -> None:
    text = csv_format().write(
        csv_cells(
            [
                entry(),
                entry(("digits", "mlp", "ml3"), published=None, found=Spread(NAN, NAN), time_ratio=None),
                entry(("mnist", "mlp", "adalfl"), published=Spread(0.55, None), found=Spread(0.5, None)),
            ]
        )
    )
    lines = text.splitlines()
    assert lines[0] == "task,model,method,seeds,mean,std,paper_mean,paper_std,ratio_to_baseline_time,commit"
    assert lines[1] == "mnist,lenet5,adalfl,3,0.00843212,0.0004,0.0091,0.0004,6.7891,0123456"
    assert lines[2] == "digits,mlp,ml3,3,nan,nan,,,,0123456"
    assert lines[3] == "mnist,mlp,adalfl,3,0.5,,0.55,,6.7891,0123456"


def test_what_people_see() -> None:
    (errors,) = readable_cells([entry()], hours=False).values()
    assert errors == ["3", "0.0084 ± 0.0004", "0.0091 ± 0.0004", "-1.7", "-0.0045 ± 0.0017, p 0.041", "", "6.79", ""]
    (hours,) = readable_cells([entry(found=Spread(1.5, None), published=Spread(0.67, None))], hours=True).values()
    assert hours == ["3", "1.500", "0.670", "6.79", "6.70", ""]
    (diverged,) = readable_cells([entry(found=Spread(NAN, NAN), note="diverged with seed 1")], hours=False).values()
    assert (diverged[1], diverged[-1]) == ("diverged", "diverged with seed 1")


words = st.text(st.characters(codec="ascii", exclude_characters="|\n\r", categories=["L", "N", "P", "S"]), min_size=1)
keys = st.tuples(words, words, words)


@pytest.mark.slow
@pytest.mark.parametrize("form", [csv_format(), markdown_format(hours=True), markdown_format(hours=False)])
@given(data=st.data())
def test_what_is_written_reads_back(form, data) -> None:
    width = len(form.columns) - 3
    cells = data.draw(st.dictionaries(keys, st.lists(words | st.just(""), min_size=width, max_size=width), max_size=4))
    assert form.read(form.write(cells, "")) == cells


@pytest.mark.parametrize("form", [csv_format(), markdown_format(hours=False)])
def test_lines_that_were_not_chosen_stay_and_all_are_in_the_papers_order(form, tmp_path: Path) -> None:
    def cells(*entries: Entry):
        return csv_cells(entries) if form.suffix == "csv" else readable_cells(entries, hours=False)

    path = tmp_path / "new" / "folder" / f"table1.{form.suffix}"
    tuned, own = ("mnist", "lenet5", "baseline-tuned"), ("digits", "mlp", "adalfl")
    merge_results(path, form, cells(entry(own), entry(tuned), entry(), entry(("crime", "mlp", "ml3"))), 1)
    before = read_results(path, form)
    merge_results(path, form, cells(entry(seeds=10), entry(("mnist", "lenet5", "baseline"))), 1)
    after = read_results(path, form)
    assert list(after) == [
        ("crime", "mlp", "ml3"),
        ("mnist", "lenet5", "baseline"),
        ("mnist", "lenet5", "adalfl"),
        tuned,
        own,
    ]
    assert [line[0] for line in after.values()] == ["3", "3", "10", "3", "3"]
    assert {key: line for key, line in after.items() if key in (tuned, own)} == {k: before[k] for k in (tuned, own)}


@pytest.mark.slow
def test_processes_that_take_lines_in_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "table1.csv"
    writers = [start(MERGE, stderr=tmp_path / f"said-{writer}", into=path, writer=writer) for writer in range(4)]
    assert [status_of(writer) for writer in writers] == [0] * 4
    found = {method for _, _, method in read_results(path, csv_format())}
    assert found == {f"{writer}-{line}" for writer in range(4) for line in range(20)}


@pytest.mark.parametrize("form", [csv_format(), markdown_format(hours=False)])
def test_files_that_are_something_else_are_left_alone(form, tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert read_results(path, form) == {}
    path.write_text("")
    assert read_results(path, form) == {}
    for content in (
        b"name,age\n",
        b"| a | b |\n| --- | --- |\n",
        b"\xff\xfe",
        "".join(form.write({}, "").splitlines(keepends=True)[:2]).encode() + b"| a |\na,b\n",
        form.write({("a", "b", "c"): ["1"] * (len(form.columns) - 3)}, "").encode() + b"# a comment\n"
        if form.suffix == "csv"
        else form.write({}, "").encode() * 2,
    ):
        path.write_bytes(content)
        with pytest.raises(lfl.UserError, match=rf"file.*choose another {form.option}"):
            read_results(path, form)
    with pytest.raises(lfl.UserError, match="cannot read"):
        read_results(tmp_path, form)
    with pytest.raises(lfl.Failure, match="cannot write"):
        write_results(path / "below", form, {}, 1)
    with pytest.raises(lfl.Failure, match="cannot write"):
        merge_results(path / "below", form, {}, 1)


def test_markdown_is_a_table_with_a_remark() -> None:
    text = markdown_format(hours=False).write(readable_cells([entry(("a", "b", "baseline-tuned"))], hours=False))
    assert text.startswith("| task | model | method | seeds | test error | the paper's |")
    assert "cosine schedule" in text
    assert len(next(csv.reader(io.StringIO(text.splitlines()[2]), delimiter="|"))) == 13


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_stands_around_a_markdown_table_stays_byte_for_byte(end: str, tmp_path: Path) -> None:
    form, path = markdown_format(hours=False), tmp_path / "page.md"
    merge_results(path, form, readable_cells([entry()], hours=False), 1)
    table, note = path.read_text().split("\n\n")
    above, below = (
        "# Results\n\nSeeds: é.\n\n| other | table |\n| --- | --- |\n| 1 | 2 |\n\n",
        "\nThe end, without a newline",
    )
    path.write_bytes(f"{above}{table}\n\n{note}{below}".replace("\n", end).encode())
    before = read_results(path, form)
    merge_results(path, form, readable_cells([entry(("mnist", "mlp", "baseline-tuned"))], hours=False), 1)
    text = path.read_bytes().decode()
    assert text.startswith(above.replace("\n", end))
    assert text.endswith(below.replace("\n", end))
    assert text.count("Mean ± standard deviation") == 1
    assert "cosine schedule" in text
    assert ("\r" in text) == ("\r" in end)
    assert read_results(path, form).keys() == before.keys() | {("mnist", "mlp", "baseline-tuned")}
    path.write_bytes(f"{above}{table}".encode())  # the remark was taken out: it stays out
    merge_results(path, form, {}, 1)
    assert path.read_bytes().decode() == f"{above}{table}"


def test_a_csv_with_more_columns_or_comments_is_refused_in_words(tmp_path: Path) -> None:
    form, path = csv_format(), tmp_path / "table1.csv"
    merge_results(path, form, csv_cells([entry()]), 1)
    good = path.read_text()
    for changed in ("# ours\n" + good, good.replace("\n", ",more\n"), good + good.splitlines()[1] + "\n", good + "\n"):
        path.write_text(changed)
        with pytest.raises(lfl.UserError, match=r"table1.csv is not a results table, which holds the line task,model"):
            merge_results(path, form, {}, 1)
        assert path.read_text() == changed
