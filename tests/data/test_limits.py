"""What is looked at before data are read."""

import os
from pathlib import Path

import pytest

import lfl
from lfl.data.limits import check_memory, free_memory, regular_file


def test_the_size_of_a_regular_file_and_of_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    assert regular_file(tmp_path / "a") == regular_file(tmp_path / "link") == 5
    for path, words in (
        (tmp_path, "it is a folder"),
        (tmp_path / "pipe", "it is not a regular file"),
        (Path("/dev/zero"), "it is not a regular file"),
        (tmp_path / "b", "No such file"),
        (tmp_path / "a" / "b", "Not a directory"),
        (Path("a\0b"), "embedded null"),
        (Path("x" * 1000), "File name too long"),
    ):
        with pytest.raises(lfl.UserError, match=words):
            regular_file(path)


def test_what_the_memory_does_not_hold_is_refused_in_words() -> None:
    everything = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < free_memory() <= everything
    check_memory(1000, "a table", "drop columns")
    with pytest.raises(
        lfl.UserError, match=r"a table needs about [\d.]+ GB of memory, and [\d.]+ [GM]B are free; drop"
    ):
        check_memory(everything + 1, "a table", "drop columns")
