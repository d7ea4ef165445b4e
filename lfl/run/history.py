"""How what a run learns beside the model changed over the run."""

import io
from typing import Any

import numpy as np
import torch

from ..errors import UserError
from ..loss import AnyLearnedLoss
from ..loss.curve import axis, sample_curves
from ..training import Progress
from ..trees import map_tree
from ..types import Tensors

LOOKS_PER_PHASE = 50

MOST_LOOKS = 512
"""More than a run of two phases ever keeps: a phase has at most 100 looks, and its start."""


class History:
    """phi at some fifty steps of each phase.

    Args:
        phases, steps, phis: what was taken in so far; nothing at the start of a run.
    """

    def __init__(
        self, phases: list[str] | None = None, steps: list[int] | None = None, phis: list[Tensors] | None = None
    ) -> None:
        self.phases = phases or []
        self.steps = steps or []
        self.phis = phis or []

    @staticmethod
    def due(progress: Progress) -> bool:
        """Whether phi is to be kept after a step."""
        phase, step = progress.phase, progress.step
        every = max(1, phase.num_steps // LOOKS_PER_PHASE)
        return step % every < phase.stride or step == phase.num_steps

    def look(self, progress: Progress, phi: Tensors) -> None:
        """Keep phi where it is due."""
        if self.due(progress):
            self.phases.append(progress.phase.name)
            self.steps.append(progress.step)
            self.phis.append(map_tree(lambda t: t.detach().cpu().clone(), phi))

    def tensors(self) -> Tensors:
        """`phi.NAME [n, ...]`, `step [n]`, and `init [n]`: whether it was learned offline; nothing without any phi."""
        if not self.phis:
            return {}
        stacked = map_tree(lambda *each: torch.stack(each), *self.phis)
        return {f"phi.{name}": t for name, t in stacked.items()} | {
            "step": torch.tensor(self.steps),
            "init": torch.tensor([phase == "init" for phase in self.phases]),
        }

    @classmethod
    def of(cls, tensors: Tensors, where: str) -> "History":
        """The history that `tensors` gave.

        Raises:
            UserError: they are no history's; it names `where`.
        """
        if not tensors:
            return cls()
        named = {name.removeprefix("phi."): t for name, t in tensors.items() if name.startswith("phi.")}
        steps, offline = (tensors.get(name, torch.empty(0)) for name in ("step", "init"))
        n = steps.numel()
        fits = (steps.dtype, offline.dtype) == (torch.int64, torch.bool) and steps.shape == offline.shape == (n,)
        if not fits or not named or any(t.shape[:1] != (n,) for t in named.values()) or not 0 < n <= MOST_LOOKS:
            raise UserError(f"{where} is corrupt: its steps do not fit what was learned; the run cannot be used.")
        return cls(
            ["init" if each else "train" for each in offline.tolist()],
            steps.tolist(),
            [{name: t[i].clone() for name, t in named.items()} for i in range(n)],
        )

    def curves(self, loss_fn: AnyLearnedLoss) -> bytes:
        """The learned loss as an npz file: `axis [points]`, and `phase`, `step`, `curves [n, targets, points]`."""
        file = io.BytesIO()
        content: dict[str, Any] = {
            "axis": axis(loss_fn).numpy(),
            "phase": np.array(self.phases),
            "step": np.array(self.steps),
            "curves": np.stack([sample_curves(loss_fn, phi).numpy() for phi in self.phis]),
        }
        np.savez(file, **content)
        return file.getvalue()
