"""Figures draw what they are given, in lines that can be told apart, with any MPLBACKEND."""

import colorsys
import os
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from lfl.report.figures import COLOURS, COLOURS_ON_DARK, Panel, draw_panels, line_style, new_figure, rendered
from lfl.report.statistics import OverSteps


def test_lines_differ_in_more_than_colour() -> None:
    styles = [line_style(i) for i in range(140)]
    assert len({str(style) for style in styles}) == 140
    for a, b in pairwise(styles):
        assert a["linestyle"] != b["linestyle"]
        assert a["marker"] != b["marker"]


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_colours_on_dark_have_the_hues_and_can_be_seen() -> None:
    assert len(COLOURS) == len(COLOURS_ON_DARK)
    for light, dark in zip(COLOURS, COLOURS_ON_DARK, strict=True):
        assert (luminance(dark) + 0.05) / (luminance("#16181b") + 0.05) > 4.5
        hues = [colorsys.rgb_to_hsv(*(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5))) for c in (light, dark)]
        if hues[0][1] > 0:
            assert abs(hues[0][0] - hues[1][0]) < 0.06


@pytest.mark.slow
def test_files_are_the_same_each_time_and_undated() -> None:
    def draw(form: str) -> bytes:
        figure = new_figure(4, 3)
        panel = figure.subplots()
        for i in range(3):
            panel.plot([1, 2, 3], [i, 2, 1], **line_style(i))
            panel.fill_between([1, 2, 3], [0, 0, i], [i, 2, 1])
        return rendered(figure, form)

    for form, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert draw(form) == draw(form)
        assert draw(form).startswith(start)
    assert not re.search(rb"<dc:date>|\d{4}-\d\d-\d\dT", draw("svg"))


def line(mean: list[float], low: list[float] | None = None, high: list[float] | None = None) -> OverSteps:
    seeds = 1 if low is None else 3
    values = [np.array(each, dtype=float) for each in (mean, low or mean, high or mean)]
    return OverSteps(np.arange(len(mean)) * 10, *values, seeds)


def test_lines_ranges_and_scale() -> None:
    lines = {"a": line([0.5, 0.2], [0.4, 0.1], [0.6, 0.3]), "b": line([0.05, 0.3])}
    figure = draw_panels([Panel("title", "measure", lines, ("set", 0.02))], ["c", "b", "a"])
    (on,) = figure.axes
    assert on.get_yscale() == "log"
    low, high = on.get_ylim()
    assert low < 0.02
    assert high > 0.6
    drawn = {each.get_label(): each for each in on.get_lines()}
    for label, wanted in lines.items():
        np.testing.assert_array_equal(drawn[label].get_xdata(), wanted.step)
        np.testing.assert_array_equal(drawn[label].get_ydata(), wanted.mean)
    np.testing.assert_array_equal(drawn["set"].get_ydata(), [0.02, 0.02])
    (band,) = on.collections
    assert {tuple(v) for v in band.get_paths()[0].vertices} >= {(0.0, 0.4), (0.0, 0.6), (10.0, 0.1), (10.0, 0.3)}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "set"]
    assert "range" in legend.get_title().get_text()


@pytest.mark.parametrize("values", [[0.5, 0.0], [0.5, -0.1]])
def test_what_is_not_positive_is_seen(values: list[float]) -> None:
    (on,) = draw_panels([Panel("", "", {"a": line(values)})], ["a"]).axes
    assert on.get_yscale() == "linear"
    assert on.get_ylim()[0] < min(values)


def test_a_seed_at_zero_is_seen() -> None:
    (on,) = draw_panels([Panel("", "", {"a": line([0.5, 0.2], [0.4, 0.0], [0.6, 0.4])})], ["a"]).axes
    assert on.get_yscale() == "linear"


def test_nothing_finite_is_drawn_all_the_same() -> None:
    figure = draw_panels([Panel("", "", {"a": line([np.nan, np.inf])})], ["a"])
    assert rendered(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize(("low", "high"), [(0.071, 0.079), (0.01, 0.04), (0.01, 0.9), (1e-6, 1e3), (3000.0, 4000.0)])
def test_axes_of_any_width_have_numbers(low: float, high: float) -> None:
    figure = draw_panels([Panel("", "", {"a": line([high, low])})], ["a"])
    rendered(figure, "png")
    (on,) = figure.axes
    bottom, top = on.get_ylim()
    names = [tick.label1.get_text() for tick in on.yaxis.get_major_ticks() if bottom <= tick.get_loc() <= top]
    assert len(names) >= 3
    assert len(set(names)) == len(names)


def test_a_label_has_the_same_style_in_every_figure() -> None:
    labels = ["a", "b", "c"]
    pictures = [
        draw_panels([Panel("", "", {name: line([1.0, 2.0]) for name in names})], labels)
        for names in (["a", "b", "c"], ["c"], ["b", "c"])
    ]
    styles = [
        {each.get_label(): (each.get_color(), each.get_linestyle(), each.get_marker()) for each in figure.axes[0].lines}
        for figure in pictures
    ]
    assert styles[0] == styles[0] | styles[1] | styles[2]
    assert len(set(styles[0].values())) == 3


def test_panels_fill_rows_and_the_rest_is_left_blank() -> None:
    figure = draw_panels([Panel(str(i), "", {"a": line([1.0, 2.0])}) for i in range(5)], ["a"])
    assert [on.get_title() for on in figure.axes] == [*(f"{i}, 1 seed" for i in range(5)), ""]
    assert not figure.axes[5].axison


DRAW = """
import os
from lfl.report.figures import new_figure, rendered
assert rendered(new_figure(1, 1), "png").startswith(b"\\x89PNG")
import matplotlib
print(matplotlib.rcParams["backend"], os.environ["MPLBACKEND"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["module://matplotlib_inline.backend_inline", "nonsense", "svg"])
def test_a_backend_that_is_not_installed_is_not_needed(asked: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", DRAW],
        env={**os.environ, "MPLBACKEND": asked},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    backend, kept = result.stdout.split()
    assert kept == asked
    assert (backend == asked) or asked != "svg"
