"""The sheet of suspects: its panels, their order, titles and pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch

import lfl
from lfl.report import has_images, suspects_figure
from lfl.report.figures import rendered
from lfl.run import Ranked
from lfl.task import load_task
from lfl.training import Suspects


def ranked(task: lfl.Task) -> Ranked:
    """A ranking by the row of train, the last one first."""
    y = task.train.y
    scores = torch.arange(len(y), dtype=torch.float64)
    rather = 1 - y if task.kind == "classification" else y.double() + 0.5
    return Ranked(task, torch.arange(len(y)), y, None, Suspects(scores, rather))


def pictures(n: int, channels: int, *, real: bool = False) -> tuple[np.ndarray, lfl.Task]:
    g = np.random.default_rng(n)
    x = g.integers(0, 256, (n, channels, 5, 4)).astype(np.float32)
    y = g.normal(size=n) if real else np.array(["a$_$b", "a very long name indeed"])[np.arange(n) % 2]
    return x, lfl.task_from_arrays(x, y, x[:4], y[:4])


@pytest.mark.slow
@pytest.mark.parametrize(("n", "channels", "panels"), [(100, 1, 48), (100, 3, 48), (30, 3, 27)])
def test_a_panel_for_each_of_the_worst(n: int, channels: int, panels: int) -> None:
    x, task = pictures(n, channels)
    assert has_images(ranked(task))
    figure = suspects_figure(ranked(task))
    assert len(figure.axes) == panels
    rows = task.rows.flip(0)[:panels].tolist()
    shown = x[rows]
    span = (shown - shown.min()) / (shown.max() - shown.min())
    for panel, pixels, row in zip(figure.axes, span, rows, strict=True):
        wanted = pixels[0] if channels == 1 else pixels.transpose(1, 2, 0)
        np.testing.assert_allclose(np.asarray(panel.images[0].get_array()), wanted, atol=1e-5)
        names = [r"a\$_\$b", "a very lo..."]
        label, rather = names if row % 2 == 0 else names[::-1]
        assert panel.get_title() == f"{label} \u2192 {rather}"
    assert rendered(figure, "png").startswith(b"\x89PNG")


def test_real_targets_are_in_their_own_units() -> None:
    _, task = pictures(40, 1, real=True)
    span = task.encoding.range
    first = suspects_figure(ranked(task), most=1).axes[0].get_title()
    y = task.train.y[-1:]
    assert first == f"{float(span.back(y)):.3g} \u2192 {float(span.back(y + 0.5)):.3g}"


def test_tables_have_no_pictures(tmp_path: Path) -> None:
    assert not has_images(ranked(load_task("diabetes", tmp_path)))
    assert not has_images(ranked(pictures(40, 2)[1]))
