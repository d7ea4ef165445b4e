"""matplotlib, also where MPLBACKEND names a backend that is not installed: pictures of runs are files, in no window."""

import os
import sys
from contextlib import suppress

if "matplotlib" not in sys.modules:
    asked = os.environ.pop("MPLBACKEND", None)  # Jupyter sets it for every process that it starts
    try:
        import matplotlib
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked
    if asked:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = asked
