"""docs/targets.md holds: its examples run, and what they compute is what the page says."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = (Path(__file__).parent.parent / "docs" / "targets.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_examples_run_and_learn(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(compile(example, "targets.md", "exec"), names)
    assert float(capsys.readouterr().out) < 0.9  # four classes by chance have 1.39
    ce = torch.nn.functional.cross_entropy(names["x"], names["y"], reduction="none")
    weight = names["weight"]
    torch.testing.assert_close(names["losses"].mean(), (weight * ce).sum() / weight.sum())
    torch.testing.assert_close(names["masked"], torch.tensor((1.0 + 4.0 + 9.0) / 3))
