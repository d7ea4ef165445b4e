"""Texts: read exactly or refused, as numbers and back, in windows that are views."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lfl.data.text import ids_of, moved, read_text, vocabulary_of, windows
from lfl.errors import UserError


@settings(max_examples=30, deadline=None)
@given(text=st.text(min_size=1))
def test_characters_come_back_from_their_numbers(text: str) -> None:
    vocabulary = vocabulary_of(text)
    assert vocabulary == sorted(set(text))
    assert "".join(vocabulary[i] for i in ids_of(text, vocabulary).tolist()) == text


def test_a_file_is_read_exactly(tmp_path: Path) -> None:
    text = "a\r\nb\tç\u2028é🙂\x1b\n"
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_text(path) == text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"one\ntw\xe9\n", r"line 2, is not UTF-8 \(byte 6, b'\\xe9'\).*iconv"),
        (b"a\nb\0c", "line 2, holds a zero byte"),
        ("text".encode("utf-16"), "line 1, is not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_text(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(UserError, match="it is a folder"):
        read_text(tmp_path)


def test_an_unknown_character_is_named() -> None:
    with pytest.raises(UserError, match=r"the prompt, line 2, holds '\\xe9' \(U\+00E9\), which is none of the 2 "):
        ids_of("a\né", ["\n", "a"], "the prompt")
    with pytest.raises(UserError, match=r"a text holds '\\ud800'"):
        vocabulary_of("a\ud800")


@settings(max_examples=50, deadline=None)
@given(size=st.integers(2, 60), length=st.integers(1, 12), stride=st.integers(1, 12))
def test_windows_are_views_and_targets_are_one_further(size: int, length: int, stride: int) -> None:
    if size <= length:
        return
    ids = torch.arange(size)
    x, y = windows(ids, length, stride)
    assert x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr() == ids.untyped_storage().data_ptr()
    assert torch.equal(y, x + 1)
    assert x[:, 0].tolist() == list(range(0, size - length, stride))


def test_views_move_without_a_copy_of_each_window() -> None:
    ids = torch.arange(100)[10:]
    x, _ = windows(ids, 8, 1)
    there = moved(x, torch.device("meta"))
    assert there.shape == x.shape
    assert there.untyped_storage().nbytes() == ids.untyped_storage().nbytes()
    assert moved(x, torch.device("cpu")) is x
