"""Imports matplotlib even where MPLBACKEND names a backend that is not installed: lfl draws files, never windows."""

import os
import sys
from contextlib import suppress

if "matplotlib" not in sys.modules:
    _backend = os.environ.pop("MPLBACKEND", None)  # Jupyter sets it for every process that it starts
    try:
        import matplotlib
    finally:
        if _backend is not None:
            os.environ["MPLBACKEND"] = _backend
    if _backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = _backend
