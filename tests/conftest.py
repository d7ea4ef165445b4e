"""What all tests share."""

import os
import shutil
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""One thread for the tests and what they start: small tensors lose from more where cores are shared."""

STATE = os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="lfl-tests-")
"""Runs that tests make are not noted among the user's own."""


def pytest_sessionfinish() -> None:
    shutil.rmtree(STATE, ignore_errors=True)
