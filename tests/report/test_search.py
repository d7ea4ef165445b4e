"""What a report says of a search: the front as the search has it, the ancestors, the error of what is printed."""

import base64
import json
import math
import shutil
from pathlib import Path

import pytest

import lfl
from lfl.errors import UserError
from lfl.report import collect_runs
from lfl.report.page import page
from lfl.report.search import (
    finalist_table,
    front_table,
    lineage_table,
    printed_error,
    read_search,
    summary,
)
from lfl.report.search_figures import as_image, family_figure, search_figure
from lfl.run.searched import CANDIDATES, FRONT
from lfl.symbolic import Formula, read_formula

from .folders import write_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of five generations."""
    out = tmp_path_factory.mktemp("searches") / "search"
    lfl.evolve(
        *("digits", "logistic"),
        **{"out": out, "device": "cpu", "population": 8, "generations": 5, "fitness_steps": 20, "local_steps": 3},
        **{"finalists": 3, "finalist_seeds": 2, "finalist_steps": 10, "steps": 10, "evaluator": "closures"},
    )
    return out


def test_the_front_is_that_of_the_search(folder: Path) -> None:
    log = read_search(folder)
    assert log is not None
    rows = [row.split(",") for row in (folder / FRONT).read_text().splitlines()[1:]]
    table = front_table(log)
    assert [(row[0], row[1]) for row in table.rows] == [(row[0], f"{float(row[1]):.4f}") for row in rows]


def test_the_winner_is_what_the_run_trained_on_and_its_line_begins_in_the_first_generation(folder: Path) -> None:
    loss = lfl.load_run(folder).settings.loss
    log = read_search(folder, loss)
    assert log is not None
    assert log.winner is not None
    assert str(read_formula(loss)) == lineage_table(log).rows[-1][-1]
    assert lineage_table(log).rows[0][2].startswith("initial")
    family = log.ancestors(log.winner)
    assert family[-1].place == log.winner.place
    for each in family:
        assert all((each.generation - 1, slot) in {parent.place for parent in family} for slot in each.parents)
    assert "yes" in [row[3] for row in finalist_table(log).rows]
    assert finalist_table(log).rows[0][3] == "yes"
    assert summary(log).startswith("evomal: 40 candidates, ")


def test_the_page_holds_the_pictures_itself(folder: Path) -> None:
    text = page(collect_runs([folder])[0])
    assert "The search of fixed" in text
    assert text == page(collect_runs([folder])[0])
    log = read_search(folder, lfl.load_run(folder).settings.loss)
    assert log is not None
    for figure in (search_figure(log), family_figure(log)):
        if figure is not None:
            address = as_image(figure)
            assert base64.b64decode(address.partition(",")[2]).startswith(b"\x89PNG")
    assert "data:image/png;base64," in text


def test_a_run_that_was_not_searched_has_no_such_section(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert read_search(run) is None
    assert "The search of" not in page(collect_runs([run])[0])


def test_the_error_of_what_is_printed() -> None:
    exact = read_formula("square(1.25*y - 0.5*f)")
    assert printed_error(exact, "classification") == 0.0
    near = Formula(exact.tree, (*exact.weights[:2], 0.50001))  # printed as 0.5; the slope is -2 v (1.25 y - v f)
    v, y, f = 0.50001, 2.0, -2.0  # where it is largest
    wanted = abs(v * (1.25 * y - v * f) - 0.5 * (1.25 * y - 0.5 * f)) / (v * (1.25 * y - v * f))
    assert printed_error(near, "regression") == pytest.approx(wanted, rel=1e-6)
    assert math.isnan(printed_error(read_formula("sign(y - f)"), "classification"))


def test_a_damaged_search_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    lines = (tmp_path / "copy" / CANDIDATES).read_text().splitlines()
    line = json.loads(lines[3])
    for wrong, words in (
        ({"tree": ["nonsense"]}, "is damaged"),
        ({"weights": [0.0] * 50}, "is damaged"),
        ({"fitness": "low"}, "line 4"),
        ({"parents": [-1]}, "line 4"),
    ):
        text = "\n".join([*lines[:3], json.dumps(line | wrong), *lines[4:]]) + "\n"
        (tmp_path / "copy" / CANDIDATES).write_text(text)
        with pytest.raises(UserError, match=words):
            page(collect_runs([tmp_path / "copy"])[0])


def test_a_search_without_a_run_says_what_it_is(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "config.json").unlink()
    with pytest.raises(UserError, match="is a search for a loss that has not trained a model yet"):
        collect_runs([tmp_path / "copy"])
