"""Folders to write into, and a disk's errors in words."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lfl
from lfl.run.folder import check_named, explained, locked, make_folder, write_bytes, write_named

from ..processes import start, status_of


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


def test_a_name_is_refused_before_work_where_it_cannot_be_written(tmp_path: Path) -> None:
    """The check agrees with the writing, and changes nothing."""
    (tmp_path / "file").write_text("keep")
    (tmp_path / "folder").mkdir()
    for name, good in {
        "a": True,
        "new/deep/a": True,
        "file": True,
        "folder": False,
        "file/a": False,
        "file/deep/a": False,
    }.items():
        before = sorted(tmp_path.rglob("*"))
        for attempt in (check_named, lambda path: write_named(path, b"new")):
            if good:
                attempt(tmp_path / name)
            else:
                with pytest.raises(lfl.UserError, match=f"cannot write .*{name}"):
                    attempt(tmp_path / name)
            if attempt is check_named:
                assert sorted(tmp_path.rglob("*")) == before
        assert not good or (tmp_path / name).read_bytes() == b"new"
        if name == "file":
            (tmp_path / "file").write_text("keep")


TRY = """
from lfl.run.folder import locked
with locked(folder):
    print("ours")
"""


def another(folder: Path) -> str:
    """What another process says that wants the folder."""
    said = folder.with_name(f"{folder.name}-said")
    status_of(start(TRY, stdout=said, stderr=said, folder=folder))
    return said.read_text()


@pytest.mark.slow
def test_two_processes_do_not_hold_a_folder_at_once(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert f"another process is at work in {tmp_path}" in another(tmp_path)
    assert another(tmp_path) == "ours\n"


def test_it_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), locked(tmp_path):
        raise ValueError("inside")
    with locked(tmp_path), pytest.raises(lfl.UserError, match="another process is at work"), locked(tmp_path):
        pass
