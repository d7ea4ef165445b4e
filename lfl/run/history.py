"""How phi changed over a run: `phi_history.safetensors`, and the learned loss as curves, `loss_curves.npz`."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..boundary import MEBIBYTE, read_npz
from ..errors import UserError
from ..loss import AnyLearnedLoss
from ..loss.curve import axis, sample_curves
from ..training import Progress
from ..trees import map_tree
from ..types import Kind, Tensors

FILE = "loss_curves.npz"
MOST = 64 * MEBIBYTE
PHASES = ("init", "train")
DRAWABLE = 1e30
"""Values beyond this cannot be drawn in single precision."""

KEPT_PER_PHASE = 50

MOST_KEPT = 512
"""More copies of phi than a run of two phases ever keeps: at most 100 a phase, and its start."""


class History:
    """phi at some fifty steps of each phase.

    Args:
        phases, steps, phis: phase, step and phi of each copy so far; nothing at the start of a run.
    """

    def __init__(
        self, phases: list[str] | None = None, steps: list[int] | None = None, phis: list[Tensors] | None = None
    ) -> None:
        self.phases = phases or []
        self.steps = steps or []
        self.phis = phis or []

    @staticmethod
    def due(progress: Progress) -> bool:
        """Returns whether phi is kept after a step."""
        phase, step = progress.phase, progress.step
        every = max(1, phase.num_steps // KEPT_PER_PHASE)
        return step % every < phase.stride or step == phase.num_steps

    def record(self, progress: Progress, phi: Tensors) -> None:
        """Keeps a copy of phi where it is due."""
        if self.due(progress):
            self.phases.append(progress.phase.name)
            self.steps.append(progress.step)
            self.phis.append(map_tree(lambda t: t.detach().cpu().clone(), phi))

    def tensors(self) -> Tensors:
        """Returns `phi.NAME [n, ...]`, `step [n]`, and `init [n]`, whether it was offline; nothing without a phi."""
        if not self.phis:
            return {}
        stacked = map_tree(lambda *each: torch.stack(each), *self.phis)
        return {f"phi.{name}": t for name, t in stacked.items()} | {
            "step": torch.tensor(self.steps),
            "init": torch.tensor([phase == "init" for phase in self.phases]),
        }

    @classmethod
    def of(cls, tensors: Tensors, where: str) -> "History":
        """Reads back the history that `tensors` gave.

        Raises:
            UserError: they are not those of a history; it names `where`.
        """
        if not tensors:
            return cls()
        named = {name.removeprefix("phi."): t for name, t in tensors.items() if name.startswith("phi.")}
        steps, offline = (tensors.get(name, torch.empty(0)) for name in ("step", "init"))
        n = steps.numel()
        fits = (steps.dtype, offline.dtype) == (torch.int64, torch.bool) and steps.shape == offline.shape == (n,)
        if not fits or not named or any(t.shape[:1] != (n,) for t in named.values()) or not 0 < n <= MOST_KEPT:
            raise UserError(f"{where} is corrupt: its steps do not fit what was learned; the run cannot be used.")
        return cls(
            ["init" if each else "train" for each in offline.tolist()],
            steps.tolist(),
            [{name: t[i].clone() for name, t in named.items()} for i in range(n)],
        )

    def curves(self, loss_fn: AnyLearnedLoss) -> bytes:
        """Returns the content of `loss_curves.npz`, whose arrays are described in `Curves`."""
        file = io.BytesIO()
        content: dict[str, Any] = {
            "axis": axis(loss_fn).numpy(),
            "phase": np.array(self.phases),
            "step": np.array(self.steps),
            "curves": np.stack([sample_curves(loss_fn, phi).numpy() for phi in self.phis]),
        }
        np.savez(file, **content)
        return file.getvalue()


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
        """The kind of target that the loss is for."""
        return "classification" if self.axis[0] >= 0.0 else "regression"

    @property
    def of_one_output(self) -> bool:
        """Whether the curves are the loss of one output; otherwise that of a whole example."""
        return self.kind == "regression" or self.curves.shape[1] == 2


def read_curves(folder: Path) -> Curves | None:
    """Reads the curves of a run's learned loss, `loss_curves.npz`; None where there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists() and not path.is_symlink():
        return None
    found = Curves(**read_npz(path, Curves._fields, MOST))
    if not _fits(found):
        raise UserError(f"{path} does not hold the curves of a loss; make the run again, or leave it out.")
    return found


def _fits(found: Curves) -> bool:
    """Returns whether arrays have the types, the shapes and the range that `History.curves` gives them."""
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
