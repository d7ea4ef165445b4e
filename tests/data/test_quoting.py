"""Text out of files as errors show it."""

from hypothesis import given
from hypothesis import strategies as st

from lfl.data.quoting import LONGEST, listed, quoted, shortened


@given(st.text(st.characters(codec=None)))
def test_any_text_is_short_printable_and_on_one_line(text: str) -> None:
    seen = shortened(text)
    assert seen.isprintable()
    seen.encode()
    assert len(seen) <= 10 * LONGEST
    assert seen == text or not text.isprintable() or len(text) > LONGEST
    assert quoted(text) == f"'{seen}'"


def test_numbers_are_not_in_quotes_and_long_lists_are_cut() -> None:
    assert quoted(3) == "3"
    assert listed(["a", "b\n"]) == "a, b\\n"
    assert listed(map(str, range(100))).endswith("19, ...")
