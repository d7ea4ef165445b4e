"""Nothing outside of a run folder is changed through it, and only plain files are replaced."""

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def here(runs: Path, tmp_path: Path) -> Path:
    for name in ("done", "stopped"):
        shutil.copytree(runs / name, tmp_path / name)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "letter").write_text("keep")
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 64)))
    return tmp_path


LINKED = {
    "checkpoints": ("stopped", "checkpoints", "../precious"),
    "metrics": ("stopped", "metrics.jsonl", "../precious/letter"),
    "timing": ("stopped", "timing.jsonl", "../precious/letter"),
    "settings": ("stopped", "config.json", "../done/config.json"),
    "model": ("done", "theta.safetensors", "../precious/letter"),
    "curves": ("done", "loss_curves.npz", "../precious/letter"),
    "picture": ("done", "losses.png", "../precious/letter"),
    "dangling": ("done", "tensorboard", "../nowhere"),
    "deep": ("stopped", "checkpoints/step-9", "../../precious"),
}


@pytest.mark.parametrize("case", LINKED)
def test_links_in_a_run_folder_are_refused(case: str, here: Path, lfl_command) -> None:
    folder, name, target = LINKED[case]
    path = here / folder / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    commands = [["resume", "stopped"]] if folder == "stopped" else []
    commands += [["eval", folder], ["report", folder], ["plot", folder], ["export", folder, "--to", "sympy"]]
    for command in commands:
        status, _, err = lfl_command(*command)
        assert status == 2, command
        assert "symbolic link" in err, command
    assert (here / "precious" / "letter").read_text() == "keep"
    assert path.is_symlink()


def test_the_name_of_a_run_may_be_a_link(here: Path, lfl_command) -> None:
    (here / "latest").symlink_to("done")
    assert lfl_command("eval", "latest")[0] == 0


@pytest.mark.parametrize("seeds", [["../precious"], [0, 0], [], [-1], [0.5], "0", [1e300], {"a": 1}])
def test_seeds_do_not_lead_outside(seeds: object, here: Path, lfl_command) -> None:
    path = here / "stopped" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seeds": seeds}))
    before = sorted(here.rglob("*"))
    status, _, err = lfl_command("resume", "stopped")
    assert (status, err.count("\n")) == (2, 1)
    assert sorted(here.rglob("*")) == before


OUTPUTS = {
    "report": ["report", "done", "-o"],
    "export": ["export", "done", "--to", "sympy", "-o"],
    "predict": ["predict", "done", "--input", "x.npz", "-o"],
    "suspects": ["suspects", "done", "-o"],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", OUTPUTS)
def test_only_plain_files_are_replaced(command: str, here: Path, lfl_command) -> None:
    arguments = OUTPUTS[command]
    np.savez(here / "x.npz", x=np.zeros((2, *json.loads((here / "done" / "encoding.json").read_text())["input_shape"])))
    pipe = here / "pipe.csv"
    os.mkfifo(pipe)
    (here / "way.csv").symlink_to("pipe.csv")
    for name in ("pipe.csv", "way.csv"):
        status, _, err = lfl_command(*arguments, name)
        assert (status, "is not a plain file" in err) == (2, True)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    if command not in ("predict", "suspects"):  # whose names end in .csv or .npz
        status, _, err = lfl_command(*arguments, os.devnull)
        assert (status, "is not a plain file" in err) == (2, True)
    (here / "link.csv").symlink_to("precious/new.csv")  # the user's own: what it points to is written
    for _ in range(2):
        assert lfl_command(*arguments, "link.csv")[0] == 0
        assert (here / "link.csv").is_symlink()
        assert (here / "precious" / "new.csv").stat().st_size > 0


@pytest.mark.slow
def test_pictures_do_not_replace_links(here: Path, lfl_command) -> None:
    (here / "plots").mkdir()
    (here / "plots" / "learning.png").symlink_to("../precious/letter")
    status, _, err = lfl_command("plot", "done")
    assert (status, "is a symbolic link" in err) == (2, True)
    assert (here / "precious" / "letter").read_text() == "keep"


@pytest.mark.slow
def test_a_study_follows_no_links(here: Path, lfl_command) -> None:
    """A cell's folder, where half-made runs are cleared away, may not lie elsewhere."""
    command = [
        "compare",
        "--methods",
        "baseline",
        "--seeds",
        "1",
        "--model",
        "logistic",
        "--steps",
        "2",
        "--out",
        "out",
    ]
    assert lfl_command(*command)[0] == 0
    (cell,) = (here / "out").glob("digits-*")
    shutil.rmtree(cell / "seed-0")
    (cell / ".running-0").symlink_to("../../precious")
    status, _, err = lfl_command(*command)
    assert (status, "is a symbolic link" in err) == (2, True)
    assert (here / "precious" / "letter").read_text() == "keep"


def test_a_pipe_among_the_files_does_not_hang(here: Path, lfl_command) -> None:
    (here / "done" / "config.json").unlink()
    os.mkfifo(here / "done" / "config.json")
    status, _, err = lfl_command("eval", "done")
    assert (status, "is not a plain file" in err) == (2, True)
