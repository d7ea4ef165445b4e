"""The pictures of runs, really made ones among them, and their names."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

import lfl
from lfl.report import draw_pictures, gather
from lfl.run import execute
from lfl.task import load_task
from lfl.training import resolve

from .folders import write_run


@pytest.mark.slow
def test_pictures_of_real_runs_are_the_same_each_time(tmp_path: Path) -> None:
    task = load_task("digits", tmp_path)
    small = {"model": "logistic", "steps": 8, "offline_steps": 4, "batch_size": 16}
    for method, seed in (("baseline", 0), ("baseline", 1), ("adalfl+lr", 0)):
        settings = resolve(task.defaults, method=method, seed=seed, **small)
        execute(task, settings, tmp_path / method / f"seed-{seed}")
    comparisons, _ = gather([tmp_path / "baseline", tmp_path / "adalfl+lr"])
    names = ["learning", "rates", "losses-digits-logistic-adalfl+lr-seed-0"]
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert draw_pictures(comparisons, folder) == [(folder / f"{n}.png", folder / f"{n}.svg") for n in names]
        assert {path.name for path in folder.iterdir()} == {f"{n}.{form}" for n in names for form in ("png", "svg")}
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
        if path.suffix == ".svg":
            ElementTree.parse(path)


def test_a_baseline_has_learning_curves_alone(tmp_path: Path) -> None:
    comparisons, _ = gather([write_run(tmp_path / "run", method="baseline")])
    assert [png.name for png, _ in draw_pictures(comparisons, tmp_path / "plots")] == ["learning.png"]


def test_names_are_safe_and_never_meet(tmp_path: Path) -> None:
    tasks = ["/data/$(a) b.csv", "/other/$(a) b.csv"]
    runs = [write_run(tmp_path / str(i), task=task, method="ml3", kind="regression") for i, task in enumerate(tasks)]
    names = [png.name for png, _ in draw_pictures(gather(runs)[0], tmp_path / "plots")]
    assert names[2:] == [
        "losses-a-b.csv-mlp-ml3-seed-0.png",
        "losses-a-b.csv-mlp-ml3-seed-0-2.png",
    ]


def test_nothing_to_draw_is_said_and_leaves_no_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", valid=[], test_error=None)
    with pytest.raises(lfl.UserError, match="nothing to draw"):
        draw_pictures(gather([run])[0], tmp_path / "plots")
    assert not (tmp_path / "plots").exists()
