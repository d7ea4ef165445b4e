"""`lfl compare` as a person meets it."""

import csv
import json
from pathlib import Path

import pytest

from .commands import on_a_terminal

QUICK = ["compare", "--model", "logistic", "--steps", "6", "--offline-steps", "3", "--batch-size", "8", "--seeds", "2"]


@pytest.mark.slow
def test_methods_are_set_beside_the_first(lfl_command, tmp_path: Path) -> None:
    methods = ["--methods", "baseline,adalfl,adalfl loss=taylor-cubic"]
    assert lfl_command(*QUICK, "--model", "mlp-4", "--methods", "baseline")[0] == 0
    status, out, err = lfl_command(*QUICK, *methods, "--seed", "3")
    assert (status, err) == (0, "")
    assert "minus baseline's, by seed" in out
    assert out.endswith("folder runs/compare-digits-logistic-1\n")
    folder = tmp_path / "runs" / "compare-digits-logistic-1"
    assert (folder / "learning.png").is_file()
    assert (folder / "learning.svg").is_file()
    with (folder / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["baseline", "adalfl", "adalfl loss=taylor-cubic"]
    whole = json.loads((folder / "comparison.json").read_text())
    errors = [[seed["test_error"] for seed in each["seeds"]] for each in whole]
    assert [seed["seed"] for seed in whole[0]["seeds"]] == [3, 4]
    assert f"{sum(errors[1]) / 2:.4f} ±" in out
    assert float(rows[2]["difference"]) == pytest.approx(sum(errors[2]) / 2 - sum(errors[0]) / 2, abs=1e-6)
    assert whole[2]["settings"]["loss"] == "taylor-cubic"
    assert {each["settings"]["batch_size"] for each in whole} == {8}

    status, out, _ = lfl_command(*QUICK, *methods, "--seed", "3", "--seeds", "3", "--out", str(folder))
    assert status == 0
    assert "9 runs, 6 of them complete already" in out
    assert lfl_command(*QUICK)[1].endswith("folder runs/compare-digits-logistic-2\n")


@pytest.mark.slow
def test_methods_of_one_seed_see_the_same_batches_from_the_same_start(lfl_command, tmp_path: Path) -> None:
    """A learned loss that is never learned and the baseline differ in their loss alone: meta-lr at rate 0 is it."""
    still = "meta-lr outer_lr=0 offline_lr=0"
    assert lfl_command(*QUICK, "--methods", f"baseline,{still}", "--out", "here")[0] == 0
    whole = json.loads((tmp_path / "here" / "comparison.json").read_text())
    assert whole[1]["less_first"]["mean"] == 0
    assert [s["valid_error"] for s in whole[0]["seeds"]] == [s["valid_error"] for s in whole[1]["seeds"]]


@pytest.mark.slow
def test_a_users_own_table(lfl_command, tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 7},{i / 100}" for i in range(80))
    (tmp_path / "table.csv").write_text(f"size,price\n{rows}\n")
    own = ["--task", "table.csv", "--target", "price", "--methods", "baseline,ml3"]
    status, out, err = lfl_command(*QUICK, *own, "--jobs", "2", "--threads", "1")
    assert (status, err) == (0, "")
    assert out.endswith("folder runs/compare-table-logistic-1\n")


@pytest.mark.slow
def test_divergence_is_told_beside_the_rest(lfl_command, tmp_path: Path) -> None:
    status, out, err = lfl_command(*QUICK, "--methods", "baseline,baseline inner_lr=1e38")
    assert status == 1
    assert "diverged" in out
    assert err.startswith("lfl: error: baseline inner_lr=1e38 with seed 0: ")
    assert err.count("\n") == 1
    assert (tmp_path / "runs" / "compare-digits-logistic-1" / "comparison.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--methods", "baseline,,adalfl"], 2, "--methods takes names with commas between them"),
        (["--methods", "adalfl depth=3"], 2, "unknown setting of adalfl 'depth'"),
        (["--task", "imagenet"], 2, "unknown task 'imagenet'"),
        (["--task", "table.csv"], 2, "--target COLUMN"),
        (["--inner-lr", "-1"], 2, "--inner-lr must be a finite number"),
        (["--model", "lenet5"], 1, "choose --model mlp or logistic"),
        (["--model", "gpt"], 2, "unknown model 'gpt'"),
        (["--device", "tpu"], 2, "choose one of: auto, cpu"),
        (["--engine", "slurm"], 2, "unknown engine 'slurm'; choose one of: loky, dask, ray"),
    ],
)
def test_bad_input_ends_in_a_line(arguments: list[str], status: int, words: str, lfl_command, tmp_path: Path) -> None:
    found, _, err = lfl_command(*QUICK, *arguments)
    assert found == status
    assert err.startswith("lfl: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.slow
def test_a_terminal_gets_a_live_table(tmp_path: Path) -> None:
    status, text = on_a_terminal([*QUICK, "--out", str(tmp_path / "here")], columns=120)
    assert status == 0
    for words in ("4 runs", "2/2", "4 of 4 runs", "time over baseline's"):
        assert words in text
