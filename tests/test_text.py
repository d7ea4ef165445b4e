"""Text that is safe in a terminal, a picture and a cell, and what it was before."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from lfl.text import for_picture, from_cell, printable, to_cell

ANY = st.text(st.characters(codec=None))


@given(ANY)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    shown.encode()
    if text.isprintable():
        assert shown == text


@given(ANY | st.sampled_from(["a$_$b", "$\\frac$", "\\$a$", "$$", "\\\\$x$"]))
def test_a_picture_shows_what_the_name_is(text: str) -> None:
    """matplotlib's own rule says that it is no formula, and gives the text back."""
    shown, formula = Text(text=for_picture(text))._preprocess_math(for_picture(text))
    assert formula is False
    assert shown == printable(text)


@given(ANY | st.text("=+-@\t\r'1.e ", max_size=5))
def test_a_cell_reads_back_and_is_never_computed(text: str) -> None:
    cell = to_cell(text)
    assert from_cell(cell) == text
    if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        float(cell)  # a number


@pytest.mark.parametrize("number", ["-1", "+5", "-1.5e-3", "-inf"])
def test_numbers_stay_numbers(number: str) -> None:
    assert to_cell(number) == number
