"""docs/fewshot.md holds: its example runs, and it names what is there."""

import re
from pathlib import Path

import pytest

import lfl
from lfl.fewshot_catalogue import BATCH_NORM, EPISODES, FEWSHOT_METHODS

PAGE = (Path(__file__).parent.parent / "docs" / "fewshot.md").read_text()
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLE, "fewshot.md", "exec"), {})
    errors, shapes = capsys.readouterr().out.splitlines()
    before, after = map(float, errors.split(" -> "))
    assert after < before
    assert shapes == "6 (3, 1) 10"


def test_it_names_methods_sources_and_protocols() -> None:
    first = {name for cell in re.findall(r"^\| ([^|]*) \|", PAGE, re.M) for name in re.findall(r"`([\w+/-]+)`", cell)}
    assert set(FEWSHOT_METHODS) | set(EPISODES) | set(BATCH_NORM) <= first
    names = set(re.findall(r"`lfl\.(\w+)", PAGE))
    assert {name for name in names if not hasattr(lfl, name)} == set()
