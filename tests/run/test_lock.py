"""A folder is one process's at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

import lfl
from lfl.run.lock import locked

TRY = """
import sys
from pathlib import Path
from lfl.run.lock import locked
with locked(Path(sys.argv[1])):
    print("ours")
"""


def another(folder: Path) -> "subprocess.CompletedProcess[str]":
    """What another process says that wants the folder."""
    return subprocess.run(
        [sys.executable, "-c", TRY, str(folder)], capture_output=True, text=True, timeout=120, check=False
    )


def test_two_processes_do_not_hold_a_folder_at_once(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert f"another process is at work in {tmp_path}" in another(tmp_path).stderr
    assert another(tmp_path).stdout == "ours\n"


def test_it_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), locked(tmp_path):
        raise ValueError("inside")
    with locked(tmp_path), pytest.raises(lfl.UserError, match="another process is at work"), locked(tmp_path):
        pass
