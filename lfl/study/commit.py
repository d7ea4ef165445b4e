"""Which source a run was made by."""

import json
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ..version import VERSION

PACKAGE = Path(__file__).parent.parent


@cache
def source() -> str:
    """The git commit of the source, with `-dirty` where it was changed; the version where no commit can be told."""
    return _of_checkout(PACKAGE) or _of_installation() or VERSION


def joined(*commits: str) -> str:
    """Several commits in one word, `a+b`, each once; so may be those that come."""
    return "+".join(dict.fromkeys(part for commit in commits for part in commit.split("+")))


def _of_checkout(package: Path) -> str | None:
    """The commit of the repository that holds the package as its own, not of one that an installation lies in."""
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    return _git(package, "describe", "--always", "--dirty", "--exclude=*") if tracked else None


def _of_installation() -> str | None:
    """The commit that pip installed from, where it did."""
    try:
        origin = json.loads(distribution("lfl").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    commit = origin.get("vcs_info", {}).get("commit_id")
    return None if commit is None else str(commit)[:7]


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return done.stdout.strip() if done.returncode == 0 else None
