"""docs/handing-over.md holds: its examples run, and what they train learns."""

import re
from pathlib import Path

import pytest
import torch

from lfl.run import execute
from lfl.task import load_task
from lfl.training import resolve

PAGE = (Path(__file__).parent.parent / "docs" / "handing-over.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_a_torch_loop_learns_with_a_loss_from_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    task = load_task("digits", Path("unused"))
    execute(task, resolve(task.defaults, model="mlp-100", steps=100, outer_lr=1e-4), Path("my-run"))
    with torch.random.fork_rng():
        exec(compile(EXAMPLES[0], "handing-over.md", "exec"), {})
    printed = capsys.readouterr().out
    errors = {words.strip(): float(error) for words, error in re.findall(r"^(.*) (0\.\d+)$", printed, re.M)}
    assert list(errors) == ["cross-entropy", "learned, fixed", "learned, with schedule"]
    assert errors["learned, fixed"] < 0.08  # chance is 0.9
    assert errors["learned, with schedule"] < 0.08


@pytest.mark.slow
def test_the_estimator_of_the_example_learns(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLES[1].replace("random_state=0", "random_state=0, steps=100"), "handing-over.md", "exec"), {})
    scores = [float(score) for score in re.findall(r"0\.\d+|1\.", capsys.readouterr().out)]
    assert len(scores) == 3
    assert min(scores) > 0.85
