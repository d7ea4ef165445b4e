"""What all tests share."""

import os
import shutil
import tempfile
from typing import Any

import pytest
import torch

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""One thread for the tests and what they start: small tensors lose from more where cores are shared."""

STATE = os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="lfl-tests-")
"""Runs that tests make are not noted among the user's own."""


@pytest.fixture
def no_code_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile without C++: programs are traced whole and made functional as always, and run by torch's own kernels.

    To generate code takes up to a minute for a program; a few tests do so.
    """
    whole = torch.compile

    def traced(function: Any, *, options: Any = None, **kwargs: Any) -> Any:
        return whole(function, **kwargs, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", traced)


def pytest_sessionfinish() -> None:
    shutil.rmtree(STATE, ignore_errors=True)
