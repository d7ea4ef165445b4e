"""The memory that a process keeps after it is freed."""

import subprocess
import sys

import pytest

PROGRAM = """
import re
from pathlib import Path
import torch
from lfl.device import keep_freed_memory
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
if {keep}:
    keep_freed_memory()
before = resident()
block = torch.ones(25_000_000)
assert resident() - before > 90
del block
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory that a process keeps is glibc's affair, on Linux")
@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_kept_where_that_is_asked_for(keep: bool) -> None:
    """100 MB that a process has freed: still its own, or given back."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(keep=keep)], capture_output=True, text=True, check=True)
    assert (float(done.stdout) > 90) == keep
