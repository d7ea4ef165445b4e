"""What a run's source is called."""

import json
import subprocess
from importlib.metadata import Distribution
from pathlib import Path

from lfl.study import commit
from lfl.version import VERSION


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout_has_its_commit_and_says_when_it_was_changed(tmp_path: Path) -> None:
    package = tmp_path / "lfl"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git(tmp_path, "init", "-q")
    assert commit._of_checkout(package) is None  # a repository that does not hold it as its own
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    found = commit._of_checkout(package)
    assert found is not None
    assert len(found) >= 7
    assert head.startswith(found)
    (package / "__init__.py").write_text("changed")
    assert commit._of_checkout(package) == f"{found}-dirty"


def test_an_installation_has_the_commit_that_it_was_installed_from(monkeypatch) -> None:
    class Installed(Distribution):
        origin: str | None = None

        def read_text(self, filename: str) -> str | None:
            return self.origin if filename == "direct_url.json" else None

        def locate_file(self, path):
            raise NotImplementedError

    found = Installed()
    monkeypatch.setattr(commit, "distribution", lambda name: found)
    assert commit._of_installation() is None
    found.origin = json.dumps({"url": "https://example.org/lfl", "vcs_info": {"vcs": "git", "commit_id": "0123456789"}})
    assert commit._of_installation() == "0123456"
    found.origin = json.dumps({"url": "file:///lfl", "dir_info": {}})
    assert commit._of_installation() is None


def test_there_is_always_something(monkeypatch, tmp_path: Path) -> None:
    assert commit.source()
    monkeypatch.setattr(commit, "PACKAGE", tmp_path)
    monkeypatch.setattr(commit, "_of_installation", lambda: None)
    assert commit.source.__wrapped__() == VERSION
