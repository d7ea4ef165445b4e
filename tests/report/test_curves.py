"""Learning curves, rates and learned losses of runs, and their picture files."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import lfl
from lfl.report import collect_runs, draw_losses, draw_pictures
from lfl.report.curves import learning_panels, losses_figure, rate_panels
from lfl.run import execute
from lfl.run.history import read_curves
from lfl.task import load_task
from lfl.training import resolve

from .folders import write_run


def test_a_panel_a_comparison_and_a_line_a_group(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "0", method="baseline", valid=[0.5, 0.25]),
        write_run(tmp_path / "1", seed=0, valid=[0.4, 0.2]),
        write_run(tmp_path / "2", seed=1, valid=[0.2, 0.1]),
        write_run(tmp_path / "3", task="diabetes", kind="regression", valid=[0.03]),
        write_run(tmp_path / "4", task="crime", valid=[], test_error=None),
    ]
    first, second = learning_panels(collect_runs(runs)[0])
    assert [panel.num_seeds for panel in (first, second)] == ["1 to 2 seeds", "1 seed"]
    assert (first.title, first.measure) == ("mnist, mlp", "validation error")
    assert {label: line.mean.tolist() for label, line in first.lines.items()} == {
        "baseline": [0.5, 0.25],
        "adalfl": [0.30000000000000004, 0.15000000000000002],
    }
    assert (second.title, second.measure) == ("diabetes, mlp", "validation mean squared error")


def test_each_rate_with_the_runs_that_have_it(tmp_path: Path) -> None:
    methods = ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr"]
    runs = [write_run(tmp_path / method, method=method, valid=[0.5]) for method in methods]
    learned, effective = rate_panels(collect_runs(runs)[0])
    assert (learned.measure, list(learned.lines)) == ("learned learning rate", ["meta-lr", "adalfl+lr"])
    assert (effective.measure, list(effective.lines)) == ("effective learning rate", ["ml3", "adalfl", "adalfl+lr"])
    assert effective.lines["ml3"].mean.tolist() == [0.05]
    assert effective.reference == ("inner_lr=0.01", 0.01)


def test_no_reference_where_the_rates_differ_and_no_panel_where_none_is_learned(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(rate), inner_lr=rate) for rate in (0.1, 0.2)]
    assert [panel.reference for panel in rate_panels(collect_runs(runs)[0])] == [None]
    assert rate_panels(collect_runs([write_run(tmp_path / "baseline", method="baseline")])[0]) == []


@pytest.mark.parametrize(("method", "rows"), [("adalfl", [3, 4]), ("ml3", [3]), ("adalfl+lr", [3, 4])])
@pytest.mark.parametrize(("kind", "columns"), [("classification", 2), ("regression", 1)])
def test_every_measured_step_is_drawn(kind: str, columns: int, method: str, rows: list[int], tmp_path: Path) -> None:
    curves = read_curves(write_run(tmp_path / "run", method=method, kind=kind))
    figure = losses_figure(curves, method, "title")
    panels = [on for on in figure.axes if on.get_ylabel() != "step"]
    assert [len(on.lines) for on in panels] == [count for count in rows for _ in range(columns)]
    drawn = np.array([each.get_ydata() for on in panels[::columns] for each in on.lines])
    np.testing.assert_array_equal(drawn, curves.curves[: sum(rows), 0])
    brightness = [sum(each.get_color()[:3]) for each in panels[0].lines]
    assert brightness == sorted(brightness)


@pytest.mark.slow
def test_it_is_left_in_the_run_folder(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "learned")
    assert draw_losses(folder) == folder / "losses.png"
    assert (folder / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert draw_losses(write_run(tmp_path / "baseline", method="baseline")) is None
    assert not (tmp_path / "baseline" / "losses.png").exists()


@pytest.mark.slow
def test_pictures_of_real_runs_are_the_same_each_time(tmp_path: Path) -> None:
    task = load_task("digits", tmp_path)
    small = {"model": "logistic", "steps": 8, "offline_steps": 4, "batch_size": 16}
    for method, seed in (("baseline", 0), ("baseline", 1), ("adalfl+lr", 0)):
        settings = resolve(task.defaults, method=method, seed=seed, **small)
        execute(task, settings, tmp_path / method / f"seed-{seed}")
    comparisons, _ = collect_runs([tmp_path / "baseline", tmp_path / "adalfl+lr"])
    names = ["learning", "rates", "losses-digits-logistic-adalfl+lr-seed-0"]
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert draw_pictures(comparisons, folder) == [(folder / f"{n}.png", folder / f"{n}.svg") for n in names]
        assert {path.name for path in folder.iterdir()} == {f"{n}.{form}" for n in names for form in ("png", "svg")}
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
        if path.suffix == ".svg":
            ElementTree.parse(path)


def test_a_baseline_has_learning_curves_alone(tmp_path: Path) -> None:
    comparisons, _ = collect_runs([write_run(tmp_path / "run", method="baseline")])
    assert [png.name for png, _ in draw_pictures(comparisons, tmp_path / "plots")] == ["learning.png"]


@pytest.mark.slow
def test_names_are_safe_and_never_meet(tmp_path: Path) -> None:
    tasks = ["/data/$(a) b.csv", "/other/$(a) b.csv"]
    runs = [write_run(tmp_path / str(i), task=task, method="ml3", kind="regression") for i, task in enumerate(tasks)]
    names = [png.name for png, _ in draw_pictures(collect_runs(runs)[0], tmp_path / "plots")]
    assert names[2:] == [
        "losses-a-b.csv-mlp-ml3-seed-0.png",
        "losses-a-b.csv-mlp-ml3-seed-0-2.png",
    ]


def test_nothing_to_draw_is_said_and_leaves_no_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", valid=[], test_error=None)
    with pytest.raises(lfl.UserError, match="nothing to draw"):
        draw_pictures(collect_runs([run])[0], tmp_path / "plots")
    assert not (tmp_path / "plots").exists()
