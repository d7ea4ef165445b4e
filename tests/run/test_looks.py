"""What is measured while a run trains: with an objective, its value beside all that is measured without one."""

import json
from pathlib import Path

from lfl.run import execute
from lfl.task import load_task
from lfl.training import resolve

TASK = load_task("digits", Path("unused"))


def lines(folder: Path, **asked) -> list[dict[str, float]]:
    settings = resolve(TASK.defaults, model="logistic", method="ml3", steps=6, offline_steps=0, batch_size=16, **asked)
    execute(TASK, settings, folder)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_loss_that_no_step_learns_is_measured_alike_whatever_judges_it(tmp_path: Path) -> None:
    """The effective rate stays a comparison with the task's own loss; the objective is a column of its own."""
    plain, judged = lines(tmp_path / "plain"), lines(tmp_path / "judged", objective="brier")
    assert [sorted(line.keys() - judged[0].keys()) for line in plain] == [[]] * 6
    for a, b in zip(plain, judged, strict=True):
        assert a["effective_lr"] == b["effective_lr"] != 0
        assert b.keys() - a.keys() == {"valid_objective"}
        assert {name for name in a if a[name] != b[name]} == {"outer_loss"}
        assert 0 <= b["outer_loss"] <= 2
    assert (tmp_path / "plain" / "theta.safetensors").read_bytes() == (
        tmp_path / "judged" / "theta.safetensors"
    ).read_bytes()
