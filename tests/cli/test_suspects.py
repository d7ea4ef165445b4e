"""`lfl suspects` as a user meets it."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfl.run import execute
from lfl.task import load_task
from lfl.training import resolve

from .conftest import SMALL


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on labels and on targets that were made wrong."""
    folder = tmp_path_factory.mktemp("spoiled")
    for name, asked in {"digits": {"label_noise": "symmetric:0.2"}, "diabetes": {"outliers": "shift:0.1"}}.items():
        task = load_task(name, folder)
        execute(task, resolve(task.defaults, task=name, model="logistic", **SMALL, **asked), folder / name)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_table_a_sheet_and_a_line(spoiled: Path, tmp_path: Path, lfl_command) -> None:
    status, out, err = lfl_command("suspects", str(spoiled / "digits"), "-o", "deep/doubted.csv", "--top", "7")
    assert (status, err) == (0, "")
    assert "1293 train examples" in out
    assert "7 in deep/doubted.csv" in out
    assert "259 were made wrong: precision 0." in out
    assert "area under the ROC curve 0." in out
    assert [row["rank"] for row in rows(tmp_path / "deep" / "doubted.csv")] == list("1234567")
    with Image.open(tmp_path / "deep" / "doubted.png") as picture:
        assert picture.format == "PNG"
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["doubted.csv", "doubted.png"]


def test_real_targets_have_no_sheet(spoiled: Path, tmp_path: Path, lfl_command) -> None:
    status, out, _ = lfl_command("suspects", str(spoiled / "diabetes"))
    assert status == 0
    assert "32 were made wrong" in out
    assert [path.name for path in tmp_path.iterdir()] == ["suspects.csv"]
    status, _, err = lfl_command("suspects", str(spoiled / "diabetes"), "-o", "new.csv", "--sheet", "new.png")
    assert status == 2
    assert "--sheet is for images" in err
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.slow
def test_a_run_that_was_stopped_and_not_spoiled(runs: Path, tmp_path: Path, lfl_command) -> None:
    status, out, _ = lfl_command("suspects", str(runs / "stopped"), "--sheet", "sheet.svg")
    assert status == 0
    assert "made wrong" not in out
    assert (tmp_path / "sheet.svg").read_text().startswith("<?xml")


ERRORS = {
    "no run": (["nowhere"], "is not a run folder"),
    "another form": (["RUN", "-o", "suspects.txt"], "written as .csv"),
    "another form of sheet": (["RUN", "--sheet", "sheet.jpg"], "written as .png or .svg"),
    "beneath a file": (["RUN", "-o", "file/suspects.csv"], "cannot write file/suspects.csv"),
    "a sheet beneath a file": (["RUN", "--sheet", "file/sheet.png"], "cannot write file/sheet.png"),
    "a folder": (["RUN", "-o", "folder.csv"], "cannot write"),
    "none at all": (["RUN", "--top", "0"], "--top"),
    "another task": (["RUN", "--task", "diabetes"], "trained on digits"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_mistakes_end_in_a_line(case: str, runs: Path, tmp_path: Path, lfl_command) -> None:
    arguments, words = ERRORS[case]
    (tmp_path / "file").write_text("keep")
    (tmp_path / "folder.csv").mkdir()
    given = [str(runs / "done") if word == "RUN" else word for word in arguments]
    status, out, err = lfl_command("suspects", *given)
    assert status == 2
    assert words in err
    assert "Traceback" not in out + err
    assert (tmp_path / "file").read_text() == "keep"
    assert not any(tmp_path.glob("**/*.partial"))
    assert not any(tmp_path.glob("suspects.*"))


def test_names_of_classes_are_safe_cells_and_data_are_named(tmp_path: Path, lfl_command) -> None:
    """A class called like a formula is text in the table; a run from elsewhere reads data only where they are named."""
    g = np.random.default_rng(0)
    lines = [f"{a:.3f},{'=1+1' if a > 0 else '@x'}" for a in g.normal(size=60)]
    (tmp_path / "own.csv").write_text("a,answer\n" + "\n".join(lines) + "\n")
    task = load_task("own.csv", tmp_path, target="answer")
    settings = resolve(task.defaults, task="own.csv", target="answer", method="baseline", model="logistic", **SMALL)
    execute(task, settings, tmp_path / "run")
    assert lfl_command("suspects", "run")[0] == 0
    for row in rows(tmp_path / "suspects.csv"):
        assert {row["label"], row["rather"]} == {"'=1+1", "'@x"}
        assert lines[int(row["line"]) - 2].split(",")[1] == row["label"][1:]
        assert int(row["line"]) == int(row["row"]) + 2
    (tmp_path / "suspects.csv").unlink()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    status, _, err = lfl_command("suspects", "copy")
    assert status == 2
    assert "--task own.csv" in err
    assert lfl_command("suspects", "copy", "--task", "own.csv")[0] == 0
