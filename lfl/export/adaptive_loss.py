"""A learned loss that changes over the steps of training, as an `nn.Module`."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from ..choices import REDUCTIONS
from ..errors import UserError, one_of
from ..loss import IGNORE_INDEX, AnyLearnedLoss
from ..run import load_history, load_learned_loss
from ..trees import map_tree
from ..types import Tensors
from .fixed_loss import as_buffers, tensors_of
from .reduction import reduced_loss


class Schedule(NamedTuple):
    """A learned loss at some steps of training.

    Args:
        loss_fn: the loss whose parameters phi are.
        steps: steps of training that were done, growing from 0.
        phis: phi after each of them.
    """

    loss_fn: AnyLearnedLoss
    steps: list[int]
    phis: list[Tensors]


class AdaptiveLoss(nn.Module):
    """A learned loss that changes over the steps of training as it did in the run that learned it.

        phi(t) = phi_a + (s - a) / (b - a) (phi_b - phi_a)        s = t S / num_steps,  a <= s <= b kept steps of S

    Called like `FixedLoss`, with `step()` after each step of the optimiser, as with torch's schedulers. The number of
    steps taken is a buffer like phi: `state_dict()` holds it, and a saved loss continues where it was.

    Args:
        run: a run folder of `lfl train`, or a `Schedule`.
        num_steps: steps of your training, over which the run's own are stretched; the run's number when omitted.
            After them the loss no longer changes.
        reduction, ignore_index: as in `FixedLoss`.
        loss, base, trust: as in `lfl.load_loss`.

    Raises:
        UserError: the run learned no loss or ended before its model trained, a file is damaged, or a bad argument.

    Example:
        >>> import lfl
        >>> phi, loss_fn = lfl.loss_network("regression", generator=torch.Generator().manual_seed(0))
        >>> twice = {name: 2 * tensor for name, tensor in phi.items()}
        >>> loss = AdaptiveLoss(Schedule(loss_fn, [0, 100], [phi, twice]), num_steps=10)
        >>> for _ in range(5):
        ...     loss.step()
        >>> torch.equal(loss.current_phi()["2.weight"], 1.5 * phi["2.weight"])
        True
    """

    kept_steps: torch.Tensor
    steps_taken: torch.Tensor

    def __init__(
        self,
        run: str | Path | Schedule,
        *,
        num_steps: int | None = None,
        reduction: str = "mean",
        ignore_index: int = IGNORE_INDEX,
        loss: str | None = None,
        base: str | None = None,
        trust: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(run, Schedule):
            run = load_schedule(Path(run), loss=loss, base=base, trust=trust)
        one_of("reduction", reduction, list(REDUCTIONS))
        kept = run.steps
        if len(kept) < 2 or kept[0] != 0 or any(a >= b for a, b in pairwise(kept)):
            raise UserError(f"a schedule needs at least two steps that grow from 0, got {kept}.")
        num_steps = kept[-1] if num_steps is None else num_steps
        if type(num_steps) is not int or num_steps < 1:  # True is an int too
            raise UserError(f"num_steps must be a whole number of at least 1, got {num_steps!r}.")
        self.loss_fn, self.num_steps = run.loss_fn, num_steps
        self.reduction, self.ignore_index = reduction, ignore_index
        self.phi = as_buffers(map_tree(lambda *each: torch.stack(each), *run.phis))
        self.register_buffer("kept_steps", torch.tensor(kept))
        self.register_buffer("steps_taken", torch.tensor(0))

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Computes the loss with the phi of the present step; otherwise as `FixedLoss`."""
        phi = self.current_phi()
        return reduced_loss(
            self.loss_fn, phi, outputs, targets, reduction=self.reduction, ignore_index=self.ignore_index
        )

    def step(self) -> None:
        """Counts a step of training; call it after each step of the optimiser."""
        self.steps_taken += 1

    def current_phi(self) -> Tensors:
        """Returns phi at the present step, by name."""
        return phi_at(tensors_of(self.phi), self.kept_steps, self.steps_taken, self.num_steps)

    def __repr__(self) -> str:
        return f"AdaptiveLoss({self.loss_fn.kind}, num_steps={self.num_steps}, reduction={self.reduction!r})"


def load_schedule(folder: Path, *, loss: str | None = None, base: str | None = None, trust: bool = False) -> Schedule:
    """Loads the learned loss of a run at the kept steps of its model's training.

    Args:
        folder: the run folder.
        loss, base, trust: as in `lfl.load_loss`.

    Raises:
        UserError: as `lfl.load_loss`; the run ended before its model trained.
    """
    last, loss_fn = load_learned_loss(folder, loss=loss, base=base, trust=trust)
    history = load_history(folder, last)
    steps = [step for phase, step in zip(history.phases, history.steps, strict=True) if phase == "train"]
    phis = [phi for phase, phi in zip(history.phases, history.phis, strict=True) if phase == "train"]
    if len(steps) < 2:
        raise UserError(f"{folder} ended before its model trained, so its loss has no schedule; use lfl.load_loss.")
    return Schedule(loss_fn, steps, phis)


def phi_at(stacked: Tensors, steps: torch.Tensor, taken: torch.Tensor, num_steps: int) -> Tensors:
    """Interpolates phi linearly between the steps at which it was kept.

    Args:
        stacked: tensors `[n, ...]`, phi at `steps`.
        steps: `[n]`, integers that grow from 0, n at least 2.
        taken: steps that are done, a scalar integer tensor.
        num_steps: steps over which all of `steps` are stretched; after them phi no longer changes.
    """
    where = taken.clamp(max=num_steps) * steps[-1]  # in steps / num_steps, so that whole numbers do
    after = torch.searchsorted(steps * num_steps, where, right=True).clamp(max=len(steps) - 1)
    pair = torch.stack((after - 1, after))
    low, high = steps.index_select(0, pair).unbind()
    share = (where - low * num_steps) / ((high - low) * num_steps)

    def between(kept: torch.Tensor) -> torch.Tensor:
        first, last = kept.index_select(0, pair).unbind()
        return torch.lerp(first, last, share.to(kept.dtype))

    phi: Tensors = map_tree(between, stacked)
    return phi
