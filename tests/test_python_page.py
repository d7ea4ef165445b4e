"""docs/python.md holds: its example runs, and prints what it says."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text()
EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]


@pytest.mark.slow
def test_the_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(EXAMPLE, "python.md", "exec"), names)
    *steps, errors, shapes = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in steps] == [["train", str(step)] for step in (50, 100, 150, 200)]
    test_error, valid_error = map(float, re.findall(r"\d\.\d+", errors))
    assert test_error < 0.5  # chance is 0.9
    assert valid_error < 0.5
    assert shapes.startswith("torch.Size([360, 10]) ['")
    assert (tmp_path / "my-run" / "result.json").is_file()
    assert repr(names["loss"]) == "FixedLoss(classification, reduction='none')"
