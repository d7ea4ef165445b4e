"""How a learned loss changed over a run."""

import io
from typing import Any

import numpy as np

from ..loss import LearnedLoss
from ..loss.curve import axis, sample_curves
from ..training import Progress

CURVES_PER_PHASE = 50


class Curves:
    """The learned loss, sampled as training goes on."""

    def __init__(self, loss_fn: LearnedLoss) -> None:
        self.loss_fn = loss_fn
        self.phases: list[str] = []
        self.steps: list[int] = []
        self.curves: list[np.ndarray] = []

    def due(self, progress: Progress) -> bool:
        """Whether the loss is to be sampled after a step."""
        phase, step = progress.phase, progress.step
        every = max(1, phase.num_steps // CURVES_PER_PHASE)
        return step % every < phase.stride or step == phase.num_steps

    def look(self, progress: Progress, phi: Any) -> None:
        """Sample the loss where it is due."""
        phase, step = progress.phase, progress.step
        if self.due(progress):
            self.phases.append(phase.name)
            self.steps.append(step)
            self.curves.append(sample_curves(self.loss_fn, phi).numpy())

    def content(self) -> bytes:
        """An npz file: `axis [points]`, and `phase`, `step`, `curves [n, targets, points]`."""
        file = io.BytesIO()
        np.savez(
            file,
            axis=axis(self.loss_fn).numpy(),
            phase=np.array(self.phases),
            step=np.array(self.steps),
            curves=np.stack(self.curves),
        )
        return file.getvalue()
