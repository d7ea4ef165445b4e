"""Pictures are drawn whatever MPLBACKEND says."""

import os
import subprocess
import sys

import pytest

DRAW = """
import os
from lfl.report.style import new_figure, rendered
assert rendered(new_figure(1, 1), "png").startswith(b"\\x89PNG")
import matplotlib
print(matplotlib.rcParams["backend"], os.environ["MPLBACKEND"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked", ["module://matplotlib_inline.backend_inline", "module://not_there", "nonsense", "svg"]
)
def test_a_backend_that_is_not_installed_is_not_needed(asked: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", DRAW],
        env={**os.environ, "MPLBACKEND": asked},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    backend, kept = result.stdout.split()
    assert kept == asked
    assert (backend == asked) or asked != "svg"
