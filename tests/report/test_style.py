"""Lines that can be told apart, and files that are the same each time."""

import colorsys
import re
from itertools import pairwise

from lfl.report.style import COLOURS, COLOURS_ON_DARK, line_style, new_figure, rendered


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
