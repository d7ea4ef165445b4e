"""`lfl reproduce` as a person meets it."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..processes import status_of, wait_until
from .commands import begin

TABLE = ["reproduce", "table1", "--rows", "digits/logistic", "--steps", "6", "--offline-steps", "3"]
QUICK = [*TABLE, "--seeds", "2", "--methods", "baseline,adalfl"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def numbers(path: Path) -> list[dict[str, str]]:
    """Without what depends on the clock."""
    return [{name: value for name, value in row.items() if name != "ratio_to_baseline_time"} for row in rows(path)]


@pytest.mark.slow
def test_a_row_beyond_the_paper_with_its_tuned_baseline(lfl_command, tmp_path: Path) -> None:
    status, out, err = lfl_command(*TABLE, "--seeds", "1")
    assert (status, err) == (0, "")
    assert "9 runs\n" in out
    assert "digits/logistic baseline-tuned at rate 0.0316 seed 0: 0." in out
    assert "digits/logistic baseline " in out
    assert "cosine schedule" in out
    folder = tmp_path / "runs" / "reproduce"
    found = {row["method"]: row for row in rows(folder / "table1.csv")}
    assert list(found) == ["baseline", "ml3", "meta-lr", "adalfl", "baseline-tuned"]
    for method in ("baseline", "ml3", "meta-lr", "adalfl"):
        result = json.loads((folder / f"digits-logistic-{method}" / "seed-0" / "result.json").read_text())
        assert float(found[method]["mean"]) == pytest.approx(result["test_error"], rel=1e-5)
    assert {row["std"] + row["paper_mean"] + row["paper_std"] for row in found.values()} == {""}
    assert found["baseline"]["ratio_to_baseline_time"] == "1"
    before = (folder / "table1.csv").read_bytes()

    status, out, err = lfl_command(*TABLE, "--seeds", "1")
    assert (status, err) == (0, "")
    assert "9 runs, 9 of them complete already\n" in out
    assert (folder / "table1.csv").read_bytes() == before

    status, out, err = lfl_command("reproduce", "table2", *TABLE[2:], "--seeds", "1")
    assert (status, err) == (0, "")
    assert "9 runs, 9 of them complete already\n" in out
    hours = {row["method"]: row for row in rows(folder / "table2.csv")}
    timing = (folder / "digits-logistic-adalfl" / "seed-0" / "timing.jsonl").read_text().splitlines()[-1]
    assert float(hours["adalfl"]["mean"]) == pytest.approx(json.loads(timing)["seconds"] / 3600, rel=1e-4)
    assert hours["adalfl"]["ratio_to_baseline_time"] == found["adalfl"]["ratio_to_baseline_time"]

    status, _, err = lfl_command(*TABLE, "--seeds", "1", "--steps", "7")
    assert status == 2
    assert "made with steps 6, but 7 is asked for now; choose another --out" in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_table_of_variants_into_files_that_hold_more(lfl_command, tmp_path: Path) -> None:
    here = ["--rows", "digits/logistic", "--steps", "4", "--offline-steps", "2", "--seeds", "2"]
    files = ["--csv", "results/table6.csv", "--markdown", "results/table6.md"]
    assert lfl_command("reproduce", "table6", *here, *files, "--methods", "adalfl outer_lr=1e-1,adalfl")[0] == 0
    status, out, _ = lfl_command("reproduce", "table6", *here, *files, "--methods", "adalfl outer_lr=1e-5,baseline")
    assert status == 0
    assert "4 runs, 2 of them complete already" in out  # the rate of the default is adalfl
    labels = ["adalfl outer_lr=1e-1", "adalfl outer_lr=1e-5", "adalfl", "baseline"]
    assert [row["method"] for row in rows(tmp_path / "results" / "table6.csv")] == labels
    lines = (tmp_path / "results" / "table6.md").read_text().splitlines()
    assert [line.split(" | ")[2] for line in lines[2:6]] == labels
    assert len(rows(tmp_path / "runs" / "reproduce" / "table6.csv")) == 2


def test_a_row_that_cannot_be_had_leaves_the_others_alone(lfl_command, tmp_path: Path, monkeypatch) -> None:
    datasets = pytest.importorskip(
        "torchvision.datasets",
        reason="torchvision does not import beside this torch",
        exc_type=(ImportError, RuntimeError),
    )
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    chosen = ["--rows", "mnist/mlp,digits/lenet5,digits/logistic", "--methods", "baseline", "--data-dir", "data"]
    status, _, err = lfl_command(*TABLE, *chosen, "--seeds", "2")
    assert status == 1
    first, second = err.splitlines()
    assert first.startswith("lfl: error: mnist/mlp: could not download MNIST")
    assert second.startswith("lfl: error: digits/lenet5: lenet5 needs images")
    assert [row["task"] for row in rows(tmp_path / "runs" / "reproduce" / "table1.csv")] == ["digits"]


@pytest.mark.slow
def test_killed_at_any_time_and_called_again_the_numbers_are_the_same(lfl_command, tmp_path: Path) -> None:
    """A real kill, of a process with workers of its own, which stop for the next study or are waited for."""
    slow = [*QUICK, "--steps", "120", "--offline-steps", "20", "--threads", "1"]
    once, again = tmp_path / "once", tmp_path / "again"
    assert lfl_command(*slow, "--out", str(once))[0] == 0
    process = begin(tmp_path, *slow, "--jobs", "2", "--out", str(again)).process
    started = again / "digits-logistic-adalfl" / ".running" / "runs" / "seed-0" / "metrics.jsonl"
    wait_until(started.exists, process)
    process.kill()
    assert status_of(process) == -signal.SIGKILL
    status, out, err = lfl_command(*slow, "--out", str(again))
    assert (status, err) == (0, "")
    assert "4 runs" in out
    assert numbers(again / "table1.csv") == numbers(once / "table1.csv")
    for folder in once.glob("*/seed-*"):
        for name in ("theta.safetensors", "metrics.jsonl"):
            assert (folder / name).read_bytes() == (again / folder.relative_to(once) / name).read_bytes()
    assert not list(again.rglob(".running*"))


@pytest.mark.slow
def test_names_and_help_do_not_import_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from lfl_cli.app import main; main()"
    for command, flag in (("reproduce", "--markdown"), ("compare", "--methods")):
        done = subprocess.run(
            [sys.executable, "-c", code, command, "--help"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert flag in done.stdout


BAD = {
    "table": (["table9"], "unknown table 'table9'; choose one of: table1, table2"),
    "no table": ([], "see lfl --help"),
    "row": (["table1", "--rows", "mnist"], "a row is TASK/MODEL, such as mnist/lenet5, got 'mnist'"),
    "task": (["table1", "--rows", "imagenet/mlp"], "unknown task 'imagenet'"),
    "model": (["table1", "--rows", "mnist/gpt"], "unknown model 'gpt'"),
    "no rows": (["table1", "--rows", ""], "--rows takes names with commas between them"),
    "method": (["table1", "--methods", "maml"], "unknown method 'maml'"),
    "setting": (["table1", "--methods", "adalfl rate=1"], "unknown setting of adalfl 'rate'"),
    "value": (["table1", "--methods", "adalfl outer_lr=-1"], "--outer-lr must be a finite number"),
    "steps": (["table1", "--steps", "0"], "--steps must be a whole number"),
    "seeds": (["table1", "--seeds", "0"], "--seeds"),
    "jobs": (["table1", "--jobs", "0"], "--jobs"),
    "engine": (["table1", "--engine", "dask"], "write --engine dask=tcp://127.0.0.1:8786"),
    "file": (["table1", "--csv", "file"], "file is not a results table, which holds the line task,model,method,seeds"),
    "folder": (["table1", "--markdown", "."], "cannot read"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_a_line(case: str, lfl_command, tmp_path: Path) -> None:
    arguments, words = BAD[case]
    (tmp_path / "file").write_text("mine\n")
    status, out, err = lfl_command("reproduce", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("lfl: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.rglob("*")] == ["file"]


def test_an_out_that_cannot_be_written(lfl_command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = lfl_command(*QUICK, "--out", "file/below")
    assert (status, err) == (2, "lfl: error: file/below is a file, or lies beneath one; choose another --out.\n")
