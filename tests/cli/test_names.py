"""Names that come from files reach titles, pictures, tables and cells as they are, and are obeyed nowhere."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from lfl.run import execute
from lfl.task import task_from_arrays
from lfl.training import resolve

from ..report.folders import write_run
from .commands import on_a_terminal

NAMES = ["[red]a{b}c$_$d.csv", "x[/b]$\\frac$.csv", "{0.__class__}\u202ev.csv"]
QUICK = ["--model", "logistic", "--steps", "3", "--offline-steps", "2", "--batch-size", "8", "--target", "y"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_any_name(name: str, lfl_command, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("a,b,y\n" + rows)
    status, out, err = lfl_command("train", "--task", name, *QUICK, "--out", "run")
    assert (status, err) == (0, "")
    assert name.replace("\u202e", "\\u202e") in out
    for command in (["plot", "run"], ["report", "run"]):
        assert lfl_command(*command)[0] == 0
    compare = ["compare", "--task", name, *QUICK, "--seeds", "1", "--methods", "baseline", "--out", "out"]
    status, _, err = lfl_command(*compare)
    assert (status, err) == (0, "")


@pytest.mark.slow
def test_a_study_of_such_a_name_on_a_terminal(tmp_path: Path) -> None:
    table = tmp_path / "x[/b].csv"
    table.parent.mkdir()
    table.write_text("a,b,y\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60)))
    arguments = ["compare", "--task", str(table), *QUICK, "--seeds", "1", "--methods", "baseline"]
    status, shown = on_a_terminal([*arguments, "--out", str(tmp_path / "out")], 200)
    assert status == 0, shown
    assert "x[/b].csv" in shown


def test_what_a_terminal_would_obey_is_shown_as_its_code(tmp_path: Path, lfl_command) -> None:
    folder = write_run(tmp_path / "run\x1b]0;owned\x07")
    status, out, err = lfl_command("eval", str(folder))
    assert status == 2
    assert "\x1b" not in out + err
    assert "\\x1b]0;owned\\x07" in err
    status, out, err = lfl_command("report", str(folder), "-o", "\u202eeg.html")
    assert (status, out) == (0, "wrote \\u202eeg.html\n")


def test_class_names_are_not_formulas_for_a_spreadsheet(tmp_path: Path, lfl_command) -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    classes = np.array(["=1+1", "@sum", "-2", "plain"])
    task = task_from_arrays(x, classes[(x[:, 0] > 0) * 2 + (x[:, 1] > 0)])
    settings = resolve(task.defaults, method="baseline", model="logistic", steps=50, inner_lr=0.5, batch_size=16)
    execute(task, settings, tmp_path / "run")
    np.savez(tmp_path / "x.npz", x=x)
    assert lfl_command("predict", "run", "--input", "x.npz", "-o", "out.csv")[0] == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        head, *rows = list(csv.reader(file))
    assert {row[0] for row in rows} == {"'=1+1", "'@sum", "-2", "plain"}
    assert head == ["class", "probability of -2", "probability of =1+1", "probability of @sum", "probability of plain"]


def test_a_results_table_reads_back_what_it_marked(tmp_path: Path) -> None:
    from lfl.study.results_file import csv_format

    form = csv_format()
    key = ("=cmd|' /C calc'!A0", "mlp", "baseline")
    cells = {key: ["3", "-0.5", "nan", "", "", "", "-abc"]}
    text = form.write(cells)
    assert "\n'=cmd" in text
    assert ",-0.5," in text
    assert form.read(text) == cells


def test_json_of_a_page_still_holds_names_as_text(tmp_path: Path, lfl_command) -> None:
    """What held before: a name that is a script stays text."""
    folder = write_run(tmp_path / "run", task="</script><script>alert(1)</script>.csv")
    assert lfl_command("report", str(folder), "-o", "page.html")[0] == 0
    assert "<script>alert" not in (tmp_path / "page.html").read_text()
    assert json.loads((folder / "config.json").read_text())["task"].startswith("</script>")
