"""A learned loss by step, as a run folder keeps it."""

import io
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..types import Kind

FILE = "loss_curves.npz"


class Curves(NamedTuple):
    """l_phi at some steps of each phase.

    Args:
        axis: `[points]`, the probability f from 0 to 1, or the error f - y from -1 to 1.
        phase: `[n]`, `"init"` or `"train"`.
        step: `[n]`, steps of the phase that were done.
        curves: `[n, targets, points]`, for y = 1 and y = 0, or for the one target of regression.
    """

    axis: NDArray[np.float32]
    phase: NDArray[np.str_]
    step: NDArray[np.int64]
    curves: NDArray[np.float32]

    @property
    def kind(self) -> Kind:
        """What the targets are."""
        return "classification" if self.curves.shape[1] == 2 else "regression"


def read_curves(folder: Path) -> Curves | None:
    """The learned loss of a run; None where there is none.

    Raises:
        UserError: its file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes())) as file:
            found = Curves(*(file[name] for name in ("axis", "phase", "step", "curves")))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}); make the run again, or leave it out.") from error
    n, points = len(found.step), len(found.axis)
    fits = found.phase.shape == (n,) and found.curves.shape in {(n, 1, points), (n, 2, points)} and n > 0
    if not fits or not np.isfinite(found.curves).all():
        raise UserError(f"{path} does not hold the curves of a loss; make the run again, or leave it out.")
    return found
