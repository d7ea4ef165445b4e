"""`lfl plot` as a person meets it."""

from functools import partial
from pathlib import Path

import pytest

from ..report.folders import write_run


@pytest.fixture
def plot(lfl_command):
    """`lfl_command` of `lfl plot`."""
    return partial(lfl_command, "plot")


@pytest.mark.slow
def test_it_says_what_it_wrote_and_what_it_left_out(plot, tmp_path: Path) -> None:
    for name in ("b/seed-0", "again"):
        write_run(tmp_path / name, method="baseline")
    write_run(tmp_path / "a", method="meta-lr")
    assert plot("b", "a", "again") == (
        0,
        "left out again: same settings and seed as b/seed-0\n"
        "wrote plots/learning.png and learning.svg\n"
        "wrote plots/rates.png and rates.svg\n",
        "",
    )
    first = {path.name: path.read_bytes() for path in (tmp_path / "plots").iterdir()}
    assert set(first) == {"learning.png", "learning.svg", "rates.png", "rates.svg"}
    assert plot("a", "b", "-o", "other/folder")[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "other" / "folder").iterdir()} == first


BAD_INPUT = {
    "no run": ([], "see lfl --help"),
    "no such folder": (["nowhere"], "no such folder"),
    "a file": (["file"], "it is a file"),
    "another folder": (["."], "it holds no config.json and no seed-S"),
    "one good, one not": (["run", "nowhere"], "no such folder"),
    "damaged metrics": (["damaged"], "metrics.jsonl, line 2, is not JSON"),
    "no metrics yet": (["begun"], "has no metrics yet"),
    "out is a file": (["run", "-o", "file"], "is a file, or lies beneath one"),
    "out beneath a file": (["run", "-o", "file/plots"], "is a file, or lies beneath one"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_ends_in_a_line_and_leaves_nothing(case: str, plot, tmp_path: Path) -> None:
    arguments, words = BAD_INPUT[case]
    (tmp_path / "file").write_text("")
    for name in ("run", "damaged", "begun"):
        write_run(tmp_path / name, method="baseline")
    (tmp_path / "damaged" / "metrics.jsonl").write_text('{"phase": "train", "step": 1}\n{"phase')
    (tmp_path / "begun" / "metrics.jsonl").write_text("")
    before = sorted(tmp_path.rglob("*"))
    status, out, err = plot(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert err.startswith("lfl: error: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
