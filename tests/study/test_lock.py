"""Locks, held by real processes."""

import subprocess
import sys
from pathlib import Path

from lfl.study.lock import claim, is_claimed

HOLD = """
import sys
from pathlib import Path
from lfl.study.lock import claim
with claim(Path(sys.argv[1])) as ours:
    print(ours, flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_claimed(path)
    assert not path.exists()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "True\n"
    assert is_claimed(path)
    with claim(path) as ours:
        assert not ours
    with claim(path, shared=True) as ours:
        assert not ours
    holder.kill()
    holder.communicate()
    assert not is_claimed(path)
    with claim(path) as ours:
        assert ours


def test_shared_locks_are_shared_but_not_with_one_held_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with claim(path, shared=True) as first, claim(path, shared=True) as second, claim(path) as third:
        assert (first, second, third) == (True, True, False)
        assert not is_claimed(path)
    with claim(path) as alone, claim(path, shared=True) as second:
        assert (alone, second) == (True, False)
