"""Event files hold what metrics.jsonl holds, also of a run that was resumed."""

import json
from pathlib import Path

import pytest

from lfl.run import execute, resume
from lfl.task import load_task
from lfl.training import Progress, resolve


@pytest.mark.slow
def test_scalars_are_those_of_the_metrics(tmp_path: Path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    task = load_task("digits", tmp_path)
    settings = resolve(
        task.defaults, model="logistic", steps=30, offline_steps=5, batch_size=8, checkpoint_every=7, log="tensorboard"
    )

    def stop(progress: Progress) -> None:
        if progress.phase.name == "train" and progress.step == 12:
            raise KeyboardInterrupt

    folder = execute(task, settings, tmp_path / "run", stop).folder
    resume(folder)
    events = reading.EventAccumulator(str(folder / "tensorboard")).Reload()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for phase, offset in (("init", 0), ("train", 5)):
        for name in ("inner_loss", "valid_error", "effective_lr"):
            expected = {x["step"] + offset: x[name] for x in lines if x["phase"] == phase and name in x}
            tag = f"{phase}/{name}"
            found = {e.step: e.value for e in events.Scalars(tag)} if tag in events.Tags()["scalars"] else {}
            assert found == pytest.approx(expected)
    assert len(expected) > 0
