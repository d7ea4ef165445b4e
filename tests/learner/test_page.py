"""docs/learner.md and the README's loop hold: they run, and learn."""

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "learner.md").read_text()
LOOP, CHECKPOINT = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_loop_and_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    errors = []
    for loop in (LOOP.replace("meta_every=2", "meta_every=None"), LOOP):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            exec(compile(loop, "learner.md", "exec"), names)
        *epochs, error = capsys.readouterr().out.splitlines()
        assert len(epochs) == 60
        errors.append(float(error.split()[-1]))
    assert 2.0 * errors[1] < errors[0]
    exec(compile(CHECKPOINT, "learner.md", "exec"), names)
    assert (tmp_path / "checkpoint.pt").is_file()


def test_the_readmes_loop(capsys: pytest.CaptureFixture[str]) -> None:
    (loop,) = re.findall(r"```python\n(import torch, lfl\n\nmodel.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(loop.splitlines()) < 15
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(compile(loop, "README.md", "exec"), {})
    first, *_, last = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines())
    assert last < 0.7 * first
