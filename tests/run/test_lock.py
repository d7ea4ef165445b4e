"""A folder is one process's at a time."""

from pathlib import Path

import pytest

import lfl
from lfl.run.lock import locked

from ..processes import start, status_of

TRY = """
from lfl.run.lock import locked
with locked(folder):
    print("ours")
"""


def another(folder: Path) -> str:
    """What another process says that wants the folder."""
    said = folder.with_name(f"{folder.name}-said")
    status_of(start(TRY, stdout=said, stderr=said, folder=folder))
    return said.read_text()


def test_two_processes_do_not_hold_a_folder_at_once(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert f"another process is at work in {tmp_path}" in another(tmp_path)
    assert another(tmp_path) == "ours\n"


def test_it_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), locked(tmp_path):
        raise ValueError("inside")
    with locked(tmp_path), pytest.raises(lfl.UserError, match="another process is at work"), locked(tmp_path):
        pass
