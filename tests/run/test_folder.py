"""Folders to write into, and a disk's errors in words."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lfl
from lfl.run.folder import explained, make_folder, write_bytes


def test_made_with_its_parents_and_kept(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        (tmp_path / "a" / "b" / "file").write_text("")


@pytest.mark.parametrize("where", ["file", "file/beneath"])
def test_a_file_in_the_way_is_named(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lfl.UserError, match="is a file, or lies beneath one"):
        make_folder(tmp_path / where)


def test_a_full_disk_is_put_into_words(tmp_path: Path) -> None:
    words = r"^cannot write into here \(No space left on device\); make room there\.$"
    with pytest.raises(lfl.Failure, match=words), explained("write into here", "make room there"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_pipe_that_nobody_reads_is_not_the_disks_fault() -> None:
    with pytest.raises(BrokenPipeError), explained("write into here", "make room there"):
        raise BrokenPipeError


def test_two_who_write_one_file_at_once_do_not_hinder_each_other(tmp_path: Path) -> None:
    contents = [bytes([i]) * 10_000 for i in range(100)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda content: write_bytes(tmp_path / "table.csv", content), contents))
    assert [each.name for each in tmp_path.iterdir()] == ["table.csv"]
    assert (tmp_path / "table.csv").read_bytes() in contents
