"""A learned loss by step, as a run folder keeps it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boundary import MEBIBYTE, read_npz
from ..errors import UserError
from ..types import Kind

FILE = "loss_curves.npz"
MOST = 64 * MEBIBYTE
PHASES = ("init", "train")
DRAWABLE = 1e30
"""Values beyond this cannot be drawn in single precision."""


class Curves(NamedTuple):
    """A learned loss at some steps of each phase.

    Args:
        axis: `[points]`, the probability from 0 to 1, or the error f - y from -1 to 1.
        phase: `[n]`, `"init"` or `"train"`.
        step: `[n]`, steps of the phase that were done.
        curves: `[n, targets, points]`: for classes of one output, for y = 1 and y = 0, or of a whole example against
            the probability of its true class; for regression of one output, for the one target.
    """

    axis: NDArray[np.float32]
    phase: NDArray[np.str_]
    step: NDArray[np.int64]
    curves: NDArray[np.float32]

    @property
    def kind(self) -> Kind:
        """What the targets are."""
        return "classification" if self.axis[0] >= 0.0 else "regression"

    @property
    def of_one_output(self) -> bool:
        """Whether they are the loss of one output; else that of a whole example."""
        return self.kind == "regression" or self.curves.shape[1] == 2


def read_curves(folder: Path) -> Curves | None:
    """The learned loss of a run; None where there is none.

    Raises:
        UserError: its file is damaged.
    """
    path = folder / FILE
    if not path.exists() and not path.is_symlink():
        return None
    found = Curves(**read_npz(path, Curves._fields, MOST))
    if not _fits(found):
        raise UserError(f"{path} does not hold the curves of a loss; make the run again, or leave it out.")
    return found


def _fits(found: Curves) -> bool:
    """Whether arrays are of the types, the shapes and the range that `History.curves` gives them."""
    kinds = tuple(array.dtype.kind for array in found)
    if kinds != ("f", "U", "i", "f") or found.axis.ndim != 1 or found.step.ndim != 1:
        return False
    n, points = len(found.step), len(found.axis)
    shapes = found.phase.shape == (n,) and found.curves.shape in {(n, 1, points), (n, 2, points)} and n and points
    return bool(
        shapes
        and set(found.phase.tolist()) <= set(PHASES)
        and found.step.min() >= 0
        and all(np.abs(values.astype(float)).max() <= DRAWABLE for values in (found.axis, found.curves))
    )
