"""The setting `log` names loggers, whose files lie in the run folder; a resumed run continues them."""

from pathlib import Path

import pytest

import lfl
from lfl.choices import LOGS
from lfl.run import execute, resume
from lfl.run.loggers import FILES, loggers_of
from lfl.task import load_task
from lfl.training import Progress, resolve

TASK = load_task("digits", Path("unused"))


def test_each_name_that_can_be_chosen_is_a_logger(tmp_path: Path) -> None:
    names = [name for name in LOGS if name != "none"]
    assert names == list(FILES)
    found = [type(each) for each in loggers_of(",".join(names), tmp_path)]
    assert found == [lfl.TensorBoardLogger, lfl.CsvLogger, lfl.WandbLogger, lfl.MLflowLogger]
    assert loggers_of("none", tmp_path) == []


def test_runs_elsewhere_are_called_as_the_folder_is(tmp_path: Path) -> None:
    for folder, name in (("mine", "mine"), ("mine/seed-3", "mine-seed-3")):
        (logger,) = loggers_of("wandb", tmp_path / folder)
        assert isinstance(logger, lfl.WandbLogger)
        assert logger.name == name


@pytest.mark.slow
def test_a_table_of_an_interrupted_run_is_that_of_a_whole_one(tmp_path: Path) -> None:
    """The checkpoint is damaged, so that steps are repeated that the table has already."""
    settings = resolve(
        TASK.defaults, model="logistic", steps=12, offline_steps=3, batch_size=8, checkpoint_every=4, log="csv"
    )

    def stop(progress: Progress) -> None:
        if progress.phase.name == "train" and progress.step == 10:
            raise KeyboardInterrupt

    whole = execute(TASK, settings, tmp_path / "whole").folder
    folder = execute(TASK, settings, tmp_path / "run", stop).folder
    newest = max((folder / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    resume(folder)
    for name in ("metrics.csv", "metrics.jsonl"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert len((whole / "metrics.csv").read_text().splitlines()) == 1 + len(
        (whole / "metrics.jsonl").read_text().splitlines()
    )
