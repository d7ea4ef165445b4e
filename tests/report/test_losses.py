"""The picture of a learned loss: a curve a look, a row a phase in which it is learned."""

from pathlib import Path

import numpy as np
import pytest

from lfl.report import draw_losses
from lfl.report.losses import losses_figure
from lfl.run.history import read_curves

from .folders import write_run


@pytest.mark.parametrize(("method", "rows"), [("adalfl", [3, 4]), ("ml3", [3]), ("adalfl+lr", [3, 4])])
@pytest.mark.parametrize(("kind", "columns"), [("classification", 2), ("regression", 1)])
def test_every_look_is_drawn(kind: str, columns: int, method: str, rows: list[int], tmp_path: Path) -> None:
    curves = read_curves(write_run(tmp_path / "run", method=method, kind=kind))
    figure = losses_figure(curves, method, "title")
    panels = [on for on in figure.axes if on.get_ylabel() != "step"]
    assert [len(on.lines) for on in panels] == [count for count in rows for _ in range(columns)]
    drawn = np.array([each.get_ydata() for on in panels[::columns] for each in on.lines])
    np.testing.assert_array_equal(drawn, curves.curves[: sum(rows), 0])
    brightness = [sum(each.get_color()[:3]) for each in panels[0].lines]
    assert brightness == sorted(brightness)


def test_it_is_left_in_the_run_folder(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "learned")
    assert draw_losses(folder) == folder / "losses.png"
    assert (folder / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert draw_losses(write_run(tmp_path / "baseline", method="baseline")) is None
    assert not (tmp_path / "baseline" / "losses.png").exists()
