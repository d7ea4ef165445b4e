"""Event files hold what metrics.jsonl holds, also of a run that was resumed."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lfl.api.training import draw_learned
from lfl.run import TensorBoardLogger, execute, resume
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
    resume(folder, draw=draw_learned)
    events = reading.EventAccumulator(str(folder / "tensorboard")).Reload()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for phase, offset in (("init", 0), ("train", 5)):
        for name in ("inner_loss", "valid_error", "effective_lr"):
            expected = {x["step"] + offset: x[name] for x in lines if x["phase"] == phase and name in x}
            tag = f"{phase}/{name}"
            found = {e.step: e.value for e in events.Scalars(tag)} if tag in events.Tags()["scalars"] else {}
            assert found == pytest.approx(expected)
    assert len(expected) > 0
    (picture,) = events.Images("learned loss")
    assert picture.step == 35
    assert picture.encoded_image_string.startswith(b"\x89PNG")


@pytest.mark.slow
def test_figures_are_written_as_pictures(tmp_path: Path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    logger = TensorBoardLogger(tmp_path)
    logger.close()  # before it was started there is nothing to close
    logger.start({})
    logger.figure("mine", Figure(figsize=(1.0, 1.0), dpi=30), 3)
    logger.close()
    (picture,) = reading.EventAccumulator(str(tmp_path)).Reload().Images("mine")
    assert (picture.step, picture.width, picture.height) == (3, 30, 30)
