"""Folders to write into."""

import errno
from pathlib import Path

import pytest

import lfl
from lfl.report.output import make_folder


def test_made_with_its_parents_and_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with make_folder(tmp_path / "a" / "b"):
            (tmp_path / "a" / "b" / "file").write_text("")


@pytest.mark.parametrize("where", ["file", "file/beneath"])
def test_a_file_in_the_way_is_named(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lfl.UserError, match="is a file, or lies beneath one"), make_folder(tmp_path / where):
        pass


def test_a_full_disk_is_put_into_words(tmp_path: Path) -> None:
    with pytest.raises(lfl.Failure, match=r"No space left on device.*another --out"), make_folder(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
