"""A learned loss with its schedule over the steps of training."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from ..errors import UserError, one_of
from ..loss import IGNORE_INDEX
from ..trees import map_tree
from ..types import Tensors
from .buffers import as_buffers, tensors_of
from .read import read_schedule
from .reduce import REDUCTIONS, reduced_loss
from .schedule import Schedule, phi_at


class AdaptiveLoss(nn.Module):
    """A learned loss that changes over the steps of training as it did in the run that learned it.

        phi(t) = phi_a + (s - a) / (b - a) (phi_b - phi_a)        s = t S / num_steps,  a <= s <= b kept steps of S

    Called as `FixedLoss`; `step()` after each step of the optimiser, as with torch's schedulers. The steps taken are a
    buffer like phi: `state_dict()` holds them, and a saved loss goes on where it was.

    Args:
        run: a run folder of `lfl train`, or a `Schedule`.
        num_steps: steps of the training to come, over which the run's own are stretched; the run's when omitted.
            After them the loss stays as it is.
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
            run = read_schedule(Path(run), loss=loss, base=base, trust=trust)
        one_of("reduction", reduction, REDUCTIONS)
        kept = run.steps
        if len(kept) < 2 or kept[0] != 0 or any(a >= b for a, b in pairwise(kept)):
            raise UserError(f"a schedule wants at least two steps that grow from 0, but {kept} came.")
        num_steps = kept[-1] if num_steps is None else num_steps
        if not isinstance(num_steps, int) or num_steps < 1:
            raise UserError(f"num_steps must be a whole number of at least 1, but {num_steps!r} came.")
        self.loss_fn, self.num_steps = run.loss_fn, num_steps
        self.reduction, self.ignore_index = reduction, ignore_index
        self.phi = as_buffers(map_tree(lambda *each: torch.stack(each), *run.phis))
        self.register_buffer("kept_steps", torch.tensor(kept))
        self.register_buffer("steps_taken", torch.tensor(0))

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss at the step that training is at; as in `FixedLoss`."""
        phi = self.current_phi()
        return reduced_loss(
            self.loss_fn, phi, outputs, targets, reduction=self.reduction, ignore_index=self.ignore_index
        )

    def step(self) -> None:
        """A step of training is done."""
        self.steps_taken += 1

    def current_phi(self) -> Tensors:
        """phi at the step that training is at."""
        return phi_at(tensors_of(self.phi), self.kept_steps, self.steps_taken, self.num_steps)

    def __repr__(self) -> str:
        return f"AdaptiveLoss({self.loss_fn.kind}, num_steps={self.num_steps}, reduction={self.reduction!r})"
