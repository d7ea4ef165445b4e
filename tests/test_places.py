"""The folders in the user's home where lfl keeps files of its own."""

from pathlib import Path

import pytest

from lfl.places import own_cache, state_folder


def test_by_the_user_s_home_and_the_xdg_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME")
    assert own_cache() == tmp_path / ".cache" / "lfl"
    assert state_folder() == tmp_path / ".local" / "state" / "lfl"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # which the standard has ignored
    assert state_folder() == tmp_path / ".local" / "state" / "lfl"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert state_folder() == tmp_path / "state" / "lfl"
