"""A text on the command line: trained, measured again, continued; what does not apply is refused."""

from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_text_from_the_command_line(lfl_command, tmp_path: Path) -> None:
    Path("my.txt").write_text("to be, or not to be: that is\nthe question. " * 60)
    Path("tiny_gpt.py").write_text(
        "from lfl.model.gpt import gpt\ndef tiny(shape, n): return gpt(shape, n, layers=1, heads=1, width=4)\n"
    )
    asked = [
        "--model",
        "tiny_gpt:tiny",
        "--method",
        "residual",
        "--loss",
        "true-class",
        "--context",
        "8",
        "--steps",
        "4",
    ]
    status, out, err = lfl_command("train", "--task", "my.txt", *asked, "--compile", "off", "--out", "run")
    assert (status, err) == (0, "")
    assert "my.txt: classification, 17 classes, inputs [8], rows 2312 train, 16 valid, 16 test" in out
    measured = next(line for line in out.splitlines() if "bits per character" in line)
    status, out, err = lfl_command("eval", "run")
    assert (status, err) == (0, "")
    assert measured in out
    status, out, err = lfl_command("predict", "run", "--prompt", "to be", "--length", "30", "--seed", "1")
    assert (status, err) == (0, "")
    assert out.startswith("to be")
    assert len(out) == 5 + 30 + 1
    status, said, err = lfl_command(
        "predict", "run", "--prompt", "to be", "--length", "30", "--seed", "1", "-o", "a.txt"
    )
    assert (status, said, err) == (0, "35 characters in a.txt\n", "")
    assert Path("a.txt").read_text() == out[:-1]
    for arguments, words in (
        (["--input", "my.txt", "--out", "x.csv"], "run was trained on a text; give --prompt"),
        (["--prompt", "Z"], "holds 'Z' (U+005A), which is none of the 17 characters"),
        (["--prompt", "t", "--input", "my.txt"], "--prompt is for runs on a text, and goes with no --input"),
        (["--seed", "1", "--out", "x.csv"], "--length, --temperature and --seed are for --prompt"),
        (["--input", "my.txt"], "give --out"),
        (["--prompt", "t", "--out", "x.csv"], "a text is written as .txt, got --out x.csv"),
    ):
        status, _, err = lfl_command("predict", "run", *arguments)
        assert status == 2
        assert words in err
    status, _, err = lfl_command("suspects", "run")
    assert status == 2
    assert "my.txt is a text; there is nothing to rank" in err
