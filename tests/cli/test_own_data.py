"""Data files that cannot be used, by `lfl train` and `lfl predict`: two lines, status 2, nothing left behind."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfl.run import load_data

QUICK = ["--model", "logistic", "--method", "baseline", "--steps", "3", "--batch-size", "8"]
X, Y = np.arange(120.0).reshape(40, 3) % 7, np.arange(40) % 2


def table(path: Path, *lines: str) -> Path:
    path.write_text("a,b,c,y\n" + "".join(f"{i % 7}.5,{i % 5},{i},{'no' if i % 2 else 'yes'}\n" for i in range(40)))
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))
    return path


def arrays(path: Path, **changed: object) -> Path:
    np.savez(path, **({"x_train": X, "y_train": Y} | changed))
    return path


def picture(path: Path, content: bytes = b"") -> Path:
    for i in range(30):
        file = path / str(i % 2) / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), i).save(file)
    (path / "0" / "0.png").write_bytes(content)
    return path


TARGET = ["--target", "y"]
CASES: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "a stray word": (lambda p: table(p / "t.csv", "1,2,x,no"), ["t.csv", *TARGET], "t.csv, line 42: c is 'x'"),
    "a missing target": (lambda p: table(p / "t.csv", "1,2,3,"), ["t.csv", *TARGET], "t.csv, line 42: y is missing"),
    "a short row": (lambda p: table(p / "t.csv", "1,2"), ["t.csv", *TARGET], "t.csv, line 42: 2 values for 4 columns"),
    "twins": (
        lambda p: (p / "t.csv").write_text("y,y\n1,2\n"),
        ["t.csv", *TARGET],
        "columns 1 and 2 are both called 'y'",
    ),
    "no text": (lambda p: (p / "t.csv").write_bytes(b"\xff\x00"), ["t.csv", *TARGET], "cannot read t.csv"),
    "a folder": (lambda p: (p / "t.csv").mkdir(), ["t.csv", *TARGET], "cannot read t.csv: it is a folder"),
    "a pipe": (lambda p: os.mkfifo(p / "t.csv"), ["t.csv", *TARGET], "cannot read t.csv: it is not a regular file"),
    "dates": (
        lambda p: arrays(p / "t.npz", x_train=X.astype("M8[s]")),
        ["t.npz"],
        "t.npz: x_train: it is of type datetime",
    ),
    "objects": (
        lambda p: arrays(p / "t.npz", y_train=Y.astype(object)),
        ["t.npz"],
        "t.npz: y_train: it is of type object",
    ),
    "damage": (lambda p: (p / "t.npz").write_bytes(b"PK\x03\x04"), ["t.npz"], "cannot read t.npz"),
    "an array": (
        lambda p: np.save(p / "t.npz", X) or (p / "t.npz.npy").rename(p / "t.npz"),
        ["t.npz"],
        "t.npz is one array",
    ),
    "no test rows": (
        lambda p: arrays(p / "t.npz", x_test=X[:0], y_test=Y[:0]),
        ["t.npz"],
        "t.npz: the test part has no rows",
    ),
    "a mask": (
        lambda p: arrays(p / "t.npz", y_train=np.ones((40, 2, 2), int)),
        ["t.npz", "--kind", "classification"],
        "t.npz: classification needs one class in each row",
    ),
    "a damaged picture": (lambda p: picture(p / "t"), ["t/"], "t/0/0.png is not a picture"),
    "clean data of another kind": (
        lambda p: (arrays(p / "t.npz"), table(p / "c.csv")),
        ["t.npz", "--valid", "c.csv"],
        "--valid needs a .npz, like the task t.npz, got c.csv",
    ),
    "clean data of a named task": (
        lambda p: arrays(p / "c.npz"),
        ["digits", "--valid", "c.npz"],
        "--valid is for your own data, but the task is digits",
    ),
    "clean data that are not there": (
        lambda p: table(p / "t.csv"),
        ["t.csv", *TARGET, "--valid", "c.csv"],
        "cannot read c.csv",
    ),
    "a clean table that lacks a column": (
        lambda p: (table(p / "t.csv"), (p / "c.csv").write_text("a,b,y\n1,2,no\n")),
        ["t.csv", *TARGET, "--valid", "c.csv"],
        "c.csv has no column 'c'",
    ),
    "a clean table with another class": (
        lambda p: (table(p / "t.csv"), table(p / "c.csv", "1,2,3,perhaps")),
        ["t.csv", *TARGET, "--valid", "c.csv"],
        "t.csv: valid has the class 'perhaps', which train lacks",
    ),
    "more clean data than there are": (
        lambda p: arrays(p / "t.npz"),
        ["t.npz", "--valid-size", "30"],
        "--valid-size is 30, but train has 32 rows, of which at most 22 can be split off",
    ),
    "no clean data at all": (lambda p: arrays(p / "t.npz"), ["t.npz", "--valid-size", "0"], "at least 1, got 0"),
    "clean data twice over": (
        lambda p: arrays(p / "t.npz", x_valid=X, y_valid=Y),
        ["t.npz", "--valid-size", "9"],
        "t.npz: --valid-size is for clean data split off train, and you give your own",
    ),
    "a long name": (lambda p: None, ["x" * 300 + ".csv", *TARGET], "File name too long"),
}


def check(folder: Path, before: set[Path], status: int, err: str, words: str) -> None:
    assert status == 2, err
    assert words in err
    assert err.count("\n") <= 2
    assert "Traceback" not in err
    assert set(folder.rglob("*")) == before


@pytest.mark.parametrize("case", CASES)
def test_data_that_cannot_be_trained_on(case: str, lfl_command, tmp_path: Path) -> None:
    make, arguments, words = CASES[case]
    make(tmp_path)
    before = set(tmp_path.rglob("*"))
    status, _, err = lfl_command("train", *QUICK, "--task", *arguments)
    check(tmp_path, before, status, err, words)


@pytest.mark.slow
def test_clean_data_are_told_of_and_kept_out(lfl_command, tmp_path: Path) -> None:
    """From the command to the run folder and back: arrays, a table and pictures."""
    arrays(tmp_path / "t.npz", x_valid=X[:12] + 1, y_valid=Y[:12])
    table(tmp_path / "t.csv")
    table(tmp_path / "c.csv", "1,2,3,no")
    for part in ("train", "valid"):
        (picture(tmp_path / "t" / part) / "0" / "0.png").unlink()
    quick = [*QUICK, "--eval-split"]
    cases = {
        "t.npz": ([], "12 examples from x_valid of t.npz", "rows 28 train, 12 valid, 8 test, 4 eval"),
        "t.csv": ([*TARGET, "--valid", "c.csv"], "41 examples from c.csv", "rows 28 train, 41 valid, 8 test, 4 eval"),
        "t/": ([], f"29 examples from {Path('t/valid')}", "rows 20 train, 29 valid, 6 test, 3 eval"),
    }
    for task, (own, clean, rows) in cases.items():
        status, out, err = lfl_command("train", *quick, "--task", task, *own, "--out", f"run-{task.strip('/')}")
        assert (status, err) == (0, ""), task
        assert rows in out
        assert out.splitlines()[1] == f"clean data: {clean}, kept out of training"
        assert lfl_command("eval", f"run-{task.strip('/')}")[0] == 0
    config = json.loads((tmp_path / "run-t.csv" / "config.json").read_text())
    assert (config["valid"], config["valid_size"]) == ("c.csv", None)
    assert lfl_command("train", "--config", "run-t.csv/config.json", "--out", "again")[0] == 0
    assert json.loads((tmp_path / "again" / "config.json").read_text())["valid"] == "c.csv"

    table(tmp_path / "c.csv", "1,2,4,no")
    status, _, err = lfl_command("eval", "run-t.csv")
    assert (status, "are not those that run-t.csv was trained on" in err) == (2, True)
    status, _, err = lfl_command("eval", "run-t.npz", "--valid", "c.csv")
    assert (status, "run-t.npz was trained without --valid" in err) == (2, True)


@pytest.mark.slow
def test_a_number_of_clean_data_is_kept_from_the_command_to_the_comparison(lfl_command, tmp_path: Path) -> None:
    arrays(tmp_path / "t.npz")
    for size, words in ((["--valid-size", "9"], "9"), ([], "4")):
        status, out, err = lfl_command("train", *QUICK, "--task", "t.npz", *size, "--out", f"run-{words}")
        assert (status, err) == (0, "")
        assert f"clean data: {words} examples split off train, kept out of training" in out
        assert lfl_command("eval", f"run-{words}")[0] == 0
    assert load_data(tmp_path / "run-9").valid.x.shape == (9, 3)
    status, out, _ = lfl_command("train", *QUICK, "--valid-size", "50", "--out", "digits")
    assert status == 0
    assert out.splitlines()[0] == "clean data: 50 examples split off train, kept out of training"
    compared = ["compare", "--methods", "baseline,adalfl", "--seeds", "1", "--steps", "3", "--offline-steps", "2"]
    compared += ["--model", "logistic", "--batch-size", "8"]
    status, _, err = lfl_command(*compared, "--task", "t.npz", "--valid-size", "9", "--out", "both")
    assert (status, err) == (0, "")
    sizes = [json.loads(path.read_text())["valid_size"] for path in (tmp_path / "both").glob("*/seed-0/config.json")]
    assert sizes == [9, 9]
    status, _, err = lfl_command(*compared, "--task", "t.npz", "--valid-size", "8", "--out", "both")
    assert (status, "was made with valid_size 9, but 8 is asked for now" in err) == (2, True)


def test_a_comparison_on_clean_data_of_one_s_own(lfl_command, tmp_path: Path) -> None:
    table(tmp_path / "t.csv")
    table(tmp_path / "c.csv")
    arguments = ["compare", "--methods", "baseline", "--seeds", "1", "--steps", "3", "--model", "logistic"]
    own = ["--batch-size", "8", "--task", "t.csv", *TARGET, "--valid", "c.csv", "--out", "out"]
    assert lfl_command(*arguments, *own)[0] == 0
    (run,) = (tmp_path / "out").glob("*/seed-0")
    assert load_data(run).valid_from == "c.csv"


def test_inputs_that_cannot_be_predicted_for(lfl_command, tmp_path: Path) -> None:
    arrays(tmp_path / "t.npz")
    table(tmp_path / "t.csv")
    assert lfl_command("train", *QUICK, "--task", "t.npz", "--out", "arrays")[0] == 0
    assert lfl_command("train", *QUICK, "--task", "t.csv", *TARGET, "--out", "table")[0] == 0
    odd = {
        "complex": X.astype(complex),
        "words": X.astype(str),
        "wide": X[:, :2],
        "empty": X[:0],
        "zero": X[:, :0],
        "far": X * 1e300,
        "infinite": np.full((2, 3), np.inf),
        "long": np.full((2, 3), 2**60),
    }
    words = {
        "complex": "of type complex128",
        "words": "inputs must be numbers",
        "wide": "an input is [2]",
        "empty": "holds no inputs",
        "zero": "are empty",
        "far": "lies too far",
        "infinite": "infinite values (row 0)",
        "long": "beyond 2**53",
    }
    for name, x in odd.items():
        np.savez(tmp_path / f"{name}.npz", x=x)
        before = set(tmp_path.rglob("*"))
        status, _, err = lfl_command("predict", "arrays", "--input", f"{name}.npz", "-o", "out.csv")
        check(tmp_path, before, status, err, words[name])
    for name, text, expected in (
        ("stray", "a,b,c\n1,2,x\n", "stray.csv, line 2: c is 'x'"),
        ("absent", "a,b\n1,2\n", "no column 'c'"),
        ("twins", "a,b,c,a\n1,2,3,4\n", "columns 1 and 4 are both called 'a'"),
        ("bytes", "a,b,c\n1,2,\x00\n", "bytes.csv, line 2: c is"),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
        before = set(tmp_path.rglob("*"))
        status, _, err = lfl_command("predict", "table", "--input", f"{name}.csv", "-o", "out.csv")
        check(tmp_path, before, status, err, expected)


def test_a_model_of_other_outputs_leaves_nothing_behind(lfl_command, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "ten_more.py").write_text(
        "from torch import nn\ndef net(shape, outputs):\n    return nn.Linear(shape[0], outputs + 10)\n"
    )
    arrays(tmp_path / "t.npz")
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    before = set(tmp_path.rglob("*"))
    status, _, err = lfl_command("train", *QUICK, "--task", "t.npz", "--model", "ten_more:net")
    check(tmp_path, before, status, err, "model ten_more:net gives outputs [1, 12] for one example")


def test_a_picture_that_cannot_be_drawn_ends_no_run(lfl_command, tmp_path: Path, monkeypatch) -> None:
    arrays(tmp_path / "t.npz")
    monkeypatch.setitem(__import__("sys").modules, "lfl.report", None)  # as where matplotlib does not import
    quick = [*QUICK[:2], "--steps", "3", "--offline-steps", "2", "--batch-size", "8"]
    status, out, err = lfl_command("train", *quick, "--task", "t.npz", "--out", "run")
    assert status == 0, err
    assert "test error" in out
    assert "run folder run" in out
    assert [line for line in err.splitlines() if "no picture of run: " in line]
    assert "Traceback" not in err
