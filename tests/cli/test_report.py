"""`lfl report` as a person meets it."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ..report.folders import write_run
from .commands import begin


@pytest.fixture
def report(lfl_command):
    """`lfl_command` of `lfl report`."""
    return partial(lfl_command, "report")


def test_a_page_is_written_where_it_is_said(report, tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "seed-0")
    write_run(tmp_path / "b", method="baseline")
    assert report("a", "b") == (0, "wrote report.html\n", "")
    assert report("a", "b", "a/seed-0", "-o", "new/page.html") == (0, "wrote new/page.html\n", "")
    assert (tmp_path / "report.html").read_bytes() == (tmp_path / "new" / "page.html").read_bytes()


BAD_INPUT = {
    "no run": ([], "see lfl --help"),
    "no such folder": (["nowhere"], "no such folder"),
    "damaged result": (["damaged"], "result.json is not JSON"),
    "out is a folder": (["run", "-o", "."], "is a folder; choose a file"),
    "out beneath a file": (["run", "-o", "file/report.html"], "is a file, or lies beneath one"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_ends_in_a_line_and_leaves_nothing(case: str, report, tmp_path: Path) -> None:
    arguments, words = BAD_INPUT[case]
    (tmp_path / "file").write_text("")
    for name in ("run", "damaged"):
        write_run(tmp_path / name)
    (tmp_path / "damaged" / "result.json").write_text("{")
    before = sorted(tmp_path.rglob("*"))
    status, out, err = report(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert err.startswith("lfl: error: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_no_room_on_the_disk_keeps_the_page_that_was_there(tmp_path: Path) -> None:
    """The limit is below the size of a page."""
    write_run(tmp_path / "run")
    (tmp_path / "report.html").write_text("an older page")
    report = ["report", str(tmp_path / "run"), "-o", str(tmp_path / "report.html")]
    status, _, err = begin(tmp_path, *report, largest=9000).wait()
    assert status == 1
    assert "File too large" in err
    assert err.count("\n") == 1
    assert (tmp_path / "report.html").read_text() == "an older page"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "run"]


@pytest.mark.slow
def test_help_does_not_import_torch() -> None:
    without_torch = "import sys; sys.modules['torch'] = None; sys.argv[0] = 'lfl'; from lfl_cli.app import main; main()"
    for command in ("plot", "report"):
        done = subprocess.run(
            [sys.executable, "-c", without_torch, command, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "RUN" in done.stdout
        assert done.stderr == ""
